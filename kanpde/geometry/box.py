"""Domains with named coordinates, their faces, and the outward normals there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanpde.arrays import Array
from kanpde.errors import ProblemError, nearest

MOST = 6  # coordinates: sizes of networks and grids are chosen for as many
# contains() forgives this many units of round-off, relative to the box's own numbers.
_SLACK = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Face:
    """A face of a box: its ``name``, "x-" or "t+", the ``axis`` it cuts, and its ``side``, -1 (low) or +1 (high)."""

    name: str
    axis: int
    side: int


class Box:
    """The product of closed intervals with one to six named coordinates; one named ``t`` is time.

    ``Box(x=(0, 1), y=(0, 2), t=(0, 1))``. Bounds are numbers (SymPy's included). Boxes over different coordinates
    multiply: ``Box(x=(0, 1)) * Box(t=(0, 2))``.

    ``names`` are the coordinates in order; ``low`` and ``high`` arrays of shape (d,); ``time`` is the axis of ``t`` or
    None; ``space`` are the other axes. Raises ProblemError for bounds that are not two finite increasing numbers.
    """

    __slots__ = ("_faces", "high", "low", "names", "space", "time")

    names: tuple[str, ...]
    low: Array
    high: Array
    time: int | None
    space: tuple[int, ...]

    def __init__(self, /, **bounds: Any) -> None:
        if not 1 <= len(bounds) <= MOST:
            raise ProblemError(
                f"a Box expects 1 to {MOST} coordinates, got {len(bounds)}; write it like Box(x=(0, 1), t=(0, 1))"
            )
        self.names = tuple(_coordinate(name) for name in bounds)
        intervals = [_interval(name, interval) for name, interval in bounds.items()]
        self.low = _frozen([low for low, _ in intervals])
        self.high = _frozen([high for _, high in intervals])
        self.time = self.names.index("t") if "t" in self.names else None
        self.space = tuple(axis for axis in range(len(self.names)) if axis != self.time)
        self._faces = {
            f"{name}{sign}": Face(f"{name}{sign}", axis, side)
            for axis, name in enumerate(self.names)
            for sign, side in (("-", -1), ("+", +1))
        }

    @property
    def dimension(self) -> int:
        """The number of coordinates, time included."""
        return len(self.names)

    def axis(self, name: str) -> int:
        """The position of a coordinate; ProblemError for an unknown one."""
        if name not in self.names:
            raise ProblemError(f"expected a coordinate of the domain, got {name!r}; {nearest(str(name), self.names)}")
        return self.names.index(name)

    @property
    def faces(self) -> dict[str, Face]:
        """Every face by name, time's included."""
        return dict(self._faces)

    def resolve(self, on: str | Iterable[str]) -> tuple[Face, ...]:
        """The faces meant by "x-", "x" (both), "boundary" (every face in space) or a list of these, each once.

        Raises ProblemError, with the known names, where a name is unknown or no face is left.
        """
        if not isinstance(on, str):
            if not isinstance(on, Iterable):
                raise ProblemError(f"expected the name of a face or a list of names for on, got {on!r}")
            parts = [self.resolve(part) for part in on]
            faces = tuple(dict.fromkeys(itertools.chain.from_iterable(parts)))
            if not faces:
                raise ProblemError(f"expected at least one face for on, got an empty list; {self._known_faces()}")
            return faces
        if on == "boundary":
            return self._boundary()
        if on in self._faces:
            return (self._faces[on],)
        if on in self.names:
            return self._faces[f"{on}-"], self._faces[f"{on}+"]
        raise ProblemError(f"expected a face of the domain for on, got {on!r}; {self._known_faces(on)}")

    def _boundary(self) -> tuple[Face, ...]:
        if not self.space:
            raise ProblemError("the domain has time alone and no boundary in space; use Initial, or on='t-'")
        return tuple(face for face in self._faces.values() if face.axis in self.space)

    def _known_faces(self, name: str = "") -> str:
        return nearest(name, [*self._faces, *self.names, "boundary"])

    def interior(self, unit: Array) -> Array:
        """Points of the unit cube, (n, d), moved into the box."""
        return np.asarray(self.low * (1 - unit) + self.high * unit, dtype=np.float64)

    def on_face(self, face: Face, unit: Array) -> Array:
        """Points of the unit cube one dimension down, (n, d-1), moved onto a face: (n, d), exactly on it."""
        bound = self.low if face.side < 0 else self.high
        points = np.empty((len(unit), self.dimension))
        others = [axis for axis in range(self.dimension) if axis != face.axis]
        points[:, others] = self.low[others] * (1 - unit) + self.high[others] * unit
        points[:, face.axis] = bound[face.axis]
        return points

    @property
    def measure(self) -> float:
        """The volume, time included."""
        return float(np.prod(self.high - self.low))

    def face_measure(self, face: Face) -> float:
        """The area of a face; 1 for the two ends of an interval."""
        return float(np.prod(np.delete(self.high - self.low, face.axis)))

    def normal(self, face: Face) -> Array:
        """The outward unit normal, (d,)."""
        normal = np.zeros(self.dimension)
        normal[face.axis] = face.side
        return normal

    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        """Which of the points (n, d) lie in the closed box, round-off forgiven."""
        slack = _SLACK * np.maximum(np.abs(self.low), np.abs(self.high))
        inside = (points >= self.low - slack) & (points <= self.high + slack)
        return np.asarray(inside.all(axis=-1))

    def __mul__(self, other: object) -> Box:
        if not isinstance(other, Box):
            return NotImplemented
        shared = sorted(set(self.names) & set(other.names))
        if shared:
            raise ProblemError(f"a product of boxes expects different coordinates, got {', '.join(shared)} in both")
        return Box(**self.bounds(), **other.bounds())

    def bounds(self) -> dict[str, tuple[float, float]]:
        """name -> (low, high)."""
        return {name: (float(a), float(b)) for name, a, b in zip(self.names, self.low, self.high, strict=True)}

    def __eq__(self, other: object) -> bool:
        # Order matters: points are columns in the order of the coordinates.
        return isinstance(other, Box) and list(self.bounds().items()) == list(other.bounds().items())

    def __hash__(self) -> int:
        return hash(tuple(self.bounds().items()))

    def __repr__(self) -> str:
        return f"Box({', '.join(f'{name}=({low:g}, {high:g})' for name, (low, high) in self.bounds().items())})"


def _frozen(values: list[float]) -> Array:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _coordinate(name: str) -> str:
    if name == "d" or not name.isidentifier() or name.startswith("_"):
        raise ProblemError(f"a coordinate can't be named {name!r}; choose a plain word other than d, such as x")
    return name


def _interval(name: str, interval: Any) -> tuple[float, float]:
    try:
        low, high = interval
    except (TypeError, ValueError):
        raise ProblemError(f"coordinate {name} expects two bounds (low, high), got {interval!r}") from None
    low, high = _bound(name, low), _bound(name, high)
    if low >= high:
        raise ProblemError(f"coordinate {name} expects low < high, got ({low:g}, {high:g}); swap or change the bounds")
    return low, high


def _bound(name: str, value: Any) -> float:
    try:
        # Strings and truth values would convert as well, and hide a slip of the pen.
        number = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ProblemError(f"coordinate {name} expects finite numbers as bounds, got {value!r}")
    return number
