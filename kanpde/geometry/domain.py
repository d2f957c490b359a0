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
# Where a condition holds: names of faces, or values of some coordinates.
On = str | Iterable[str] | Mapping[str, float]

_PROBES = 2**16  # points among which one inside a section is looked for


@dataclass(frozen=True)
class Face:
    """A named part of a domain's boundary; ``axes`` are the axes along which its normal can be nonzero."""

    name: str
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Section(Face):
    """The points of a domain at which the coordinates of ``axes`` have these ``values``: a plane, a line, a point."""

    values: tuple[float, ...]

    def place(self, low: Array, high: Array, unit: Array) -> Array:
        """Map points of the unit cube (n, k) to the section of a box by its k free coordinates, (n, d)."""
        points, free = np.empty((len(unit), len(low))), np.delete(np.arange(len(low)), self.axes)
        points[:, self.axes] = self.values
        points[:, free] = low[free] * (1 - unit) + high[free] * unit
        return points


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

    def resolve(self, on: On) -> tuple[Face, ...]:
        """Return the faces of a name, a group, "boundary" (every face in space) or a list of these, each face once.

        A dict coordinate -> value means the section where the coordinates have these values. Raises ProblemError, with
        the known names, if a name is unknown or no face remains.
        """
        if isinstance(on, Mapping):
            return (self.section(on),)
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

    def section(self, at: Mapping[str, float]) -> Section:
        """Return the points at which the named coordinates have these values.

        Raises ProblemError if a name is unknown, a value is no finite number, or no such point lies inside.
        """
        if not isinstance(at, Mapping) or not at:
            raise ProblemError(f"expected a dict coordinate -> value such as {{{self.names[0]!r}: 0}}, got {at!r}")
        given = sorted((self.axis(name), _finite(name, value)) for name, value in at.items())
        names = ", ".join(f"{self.names[axis]} = {value:g}" for axis, value in given)
        found = Section(names, tuple(axis for axis, _ in given), tuple(value for _, value in given))
        count, free = (1, 0) if len(given) == self.dimension else (_PROBES, self.dimension - len(given))
        if not len(on_face(self, found, np.random.default_rng(0).random((count, free)))):
            raise ProblemError(f"expected points inside {self}, got {names}; move them")
        return found

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
    """Return `count` points of a face or a section, (count, d)."""
    free = domain.dimension - (len(face.axes) if isinstance(face, Section) else 1)
    return _collect(lambda unit: on_face(domain, face, unit), count, lambda missing: draw(missing, free))


def on_face(domain: Domain, face: Face, unit: Array) -> Array:
    """Map points of the unit cube onto a face, or into a section by its free coordinates; return those inside."""
    if not isinstance(face, Section):
        return domain.on_face(face, unit)
    points = face.place(domain.low, domain.high, unit)
    return points[domain.contains(points)]


def face_measure(domain: Domain, face: Face) -> float:
    """Return the area of a face; 1 for a section, whose dimension may be any."""
    return 1.0 if isinstance(face, Section) else domain.face_measure(face)


def _finite(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
        raise ProblemError(f"coordinate {name} expects a finite number, got {value!r}")
    return float(value)


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
