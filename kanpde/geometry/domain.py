"""The base class of domains: coordinates, points inside, faces with outward normals, measures."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError, nearest, short

# A source of points: (count, dimension) -> points of the unit cube, (count, dimension).
Draw = Callable[[int, int], Array]


@dataclass(frozen=True)
class Face:
    """A named part of a domain's boundary; ``axes`` are the axes along which its normal can be nonzero."""

    name: str
    axes: tuple[int, ...]


class Domain(ABC):
    """The set of points on which an equation holds. A new shape derives from it and defines its abstract methods.

    ``names`` are the coordinates in order; the coordinate ``t`` is time. ``low`` and ``high``, arrays of shape (d,),
    are the corners of the bounding box. Points are arrays (n, d).
    """

    __slots__ = ()

    names: tuple[str, ...]
    low: Array
    high: Array

    @property
    def dimension(self) -> int:
        """The number of coordinates, time included."""
        return len(self.names)

    @property
    def time(self) -> int | None:
        """The axis of ``t``; None without a coordinate ``t``."""
        return self.names.index("t") if "t" in self.names else None

    @property
    def space(self) -> tuple[int, ...]:
        """The axes other than time."""
        return tuple(axis for axis in range(self.dimension) if axis != self.time)

    def axis(self, name: str) -> int:
        """Return the position of a coordinate; raise ProblemError if it is unknown."""
        if name not in self.names:
            raise ProblemError(f"expected a coordinate of the domain, got {name!r}; {nearest(name, self.names)}")
        return self.names.index(name)

    @property
    @abstractmethod
    def faces(self) -> Mapping[str, Face]:
        """Every face by name, including the faces of time."""

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Names of several faces: "x" means "x-" and "x+"; every domain also accepts "boundary"."""
        return {}

    def resolve(self, on: str | Iterable[str]) -> tuple[Face, ...]:
        """Return the faces of a name, a group, "boundary" (every face in space) or a list of these, each face once.

        Raises ProblemError, with the known names, if a name is unknown or no face remains.
        """
        if not isinstance(on, str):
            if not isinstance(on, Iterable) or isinstance(on, Mapping) or not all(isinstance(part, str) for part in on):
                raise ProblemError(f"expected the name of a face or a list of names for on, got {short(on)}")
            parts = [self.resolve(part) for part in on]
            faces = tuple(dict.fromkeys(itertools.chain.from_iterable(parts)))
            if not faces:
                raise ProblemError(f"expected at least one face for on, got an empty list; {self._known_faces()}")
            return faces
        if on == "boundary":
            return self._boundary()
        if on in self.faces or on in self.groups:
            return tuple(self.faces[name] for name in self.groups.get(on, (on,)))
        raise ProblemError(f"expected a face of the domain for on, got {on!r}; {self._known_faces(on)}")

    def _boundary(self) -> tuple[Face, ...]:
        if not self.space:
            raise ProblemError("the domain has time alone and no boundary in space; use Initial, or on='t-'")
        return tuple(face for face in self.faces.values() if self.time not in face.axes)

    def _known_faces(self, name: str = "") -> str:
        return nearest(name, [*self.faces, *self.groups, "boundary"])

    @abstractmethod
    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        """Return whether each of the points lies in the closed domain up to round-off: (n,)."""

    @property
    @abstractmethod
    def measure(self) -> float:
        """The volume, time included."""

    @abstractmethod
    def face_measure(self, face: Face) -> float:
        """Return the area of a face; 1 for a point."""

    def interior(self, unit: Array) -> Array:
        """Map points of the unit cube (n, d) into the bounding box and return those inside the domain, at most n."""
        points = np.asarray(self.low * (1 - unit) + self.high * unit, dtype=np.float64)
        return points[self.contains(points)]

    @abstractmethod
    def on_face(self, face: Face, unit: Array) -> Array:
        """Map points of the (d-1)-dimensional unit cube, (n, d-1), onto a face: at most n points, evenly spread."""

    @abstractmethod
    def normals(self, face: Face, points: Tensor) -> Tensor:
        """Return the outward unit normals (n, d) at points on a face; at other points return any finite values."""


def interior_points(domain: Domain, count: int, draw: Draw) -> Array:
    """Return `count` points inside the domain (count, d), by rejection of points of the bounding box."""
    fraction = domain.measure / float(np.prod(domain.high - domain.low))
    return _collect(domain.interior, count, lambda missing: draw(math.ceil(missing / fraction), domain.dimension))


def face_points(domain: Domain, face: Face, count: int, draw: Draw) -> Array:
    """Return `count` points of a face, (count, d)."""
    return _collect(lambda unit: domain.on_face(face, unit), count, lambda missing: draw(missing, domain.dimension - 1))


def _collect(place: Callable[[Array], Array], count: int, draw: Callable[[int], Array]) -> Array:
    points = place(draw(count))
    while len(points) < count:
        points = np.concatenate([points, place(draw(count - len(points)))])
    return points[:count]


def outward_normals(domain: Domain, faces: tuple[Face, ...], points: Tensor, index: Tensor | None) -> Tensor:
    """Return the outward unit normals (n, d) at points; point i lies on faces[index[i]].

    Raises ValueError if there are several faces and no index.
    """
    if index is None and len(faces) > 1:
        raise ValueError("points on several faces need an index that says which face each lies on")
    normals = [domain.normals(face, points) for face in faces]
    if index is None or len(faces) == 1:
        return normals[0]
    return torch.stack(normals)[index, torch.arange(len(points), device=points.device)]
