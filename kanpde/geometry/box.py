"""Boxes: products of intervals with named coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kanpde.calculus.arrays import Array, Constant
from kanpde.errors import ProblemError
from kanpde.geometry.domain import Domain, Face

MAX_COORDINATES = 6  # of a box, because the default sizes of networks and grids are chosen for at most six
_TOLERANCE = 64 * np.finfo(np.float64).eps  # of contains(), relative to the bounds


@dataclass(frozen=True)
class BoxFace(Face):
    """A face of a box: its ``name``, "x-" or "t+", the ``axis`` it cuts, and its ``side``, -1 (low) or +1 (high)."""

    side: int

    @property
    def axis(self) -> int:
        return self.axes[0]


class Box(Domain):
    """Π_a [low_a, high_a], the product of closed intervals in one to six named coordinates; ``t`` is time.

    ``Box(x=(0, 1), y=(0, 2), t=(0, 1))``. Bounds are numbers, SymPy's included. Boxes with different coordinates can be
    multiplied: ``Box(x=(0, 1)) * Box(t=(0, 2))``.

    ``names`` are the coordinates in order; ``low`` and ``high`` are arrays of shape (d,); ``time`` is the axis of ``t``
    or None; ``space`` are the other axes. Raises ProblemError if bounds are not two finite increasing numbers.
    """

    __slots__ = ("_faces", "_normals", "high", "low", "names")

    names: tuple[str, ...]
    low: Array
    high: Array

    def __init__(self, /, **bounds: Any) -> None:
        if not 1 <= len(bounds) <= MAX_COORDINATES:
            raise ProblemError(
                f"a Box expects 1 to {MAX_COORDINATES} coordinates, got {len(bounds)}; "
                "write it like Box(x=(0, 1), t=(0, 1))"
            )
        self.names = tuple(_coordinate(name) for name in bounds)
        intervals = [_interval(name, interval) for name, interval in bounds.items()]
        self.low = _read_only([low for low, _ in intervals])
        self.high = _read_only([high for _, high in intervals])
        self._faces = {
            f"{name}{sign}": BoxFace(f"{name}{sign}", (axis,), side)
            for axis, name in enumerate(self.names)
            for sign, side in (("-", -1), ("+", +1))
        }
        axes = np.arange(self.dimension)
        self._normals = {f.name: Constant(np.where(axes == f.axis, float(f.side), 0.0)) for f in self._faces.values()}

    @property
    def faces(self) -> dict[str, BoxFace]:
        """Every face by name, including the faces of time."""
        return dict(self._faces)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The faces of each coordinate: its name means both of them."""
        return {name: (f"{name}-", f"{name}+") for name in self.names}

    def interior(self, unit: Array) -> Array:
        """Map points of the unit cube, (n, d), into the box; all of them lie inside."""
        return np.asarray(self.low * (1 - unit) + self.high * unit, dtype=np.float64)

    def on_face(self, face: Face, unit: Array) -> Array:
        """Map points of the (d-1)-dimensional unit cube, (n, d-1), onto a face: (n, d), exactly on the face."""
        cut = self._faces[face.name]
        bound = self.low if cut.side < 0 else self.high
        points = np.empty((len(unit), self.dimension))
        others = [axis for axis in range(self.dimension) if axis != cut.axis]
        points[:, others] = self.low[others] * (1 - unit) + self.high[others] * unit
        points[:, cut.axis] = bound[cut.axis]
        return points

    @property
    def measure(self) -> float:
        """The volume Π_a (high_a - low_a), time included."""
        return float(np.prod(self.high - self.low))

    def face_measure(self, face: Face) -> float:
        """Return the area of a face; 1 for the two ends of an interval."""
        return float(np.prod(np.delete(self.high - self.low, self._faces[face.name].axis)))

    def normals(self, face: Face, points: Tensor) -> Tensor:
        """Return the outward unit normal of a face for every point, (n, d)."""
        return self._normals[face.name].like(points).expand_as(points)

    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        """Return whether each of the points (n, d) lies in the closed box up to round-off: (n,)."""
        tolerance = _TOLERANCE * np.maximum(np.abs(self.low), np.abs(self.high))
        inside = (points >= self.low - tolerance) & (points <= self.high + tolerance)
        return np.asarray(inside.all(axis=-1))

    def __mul__(self, other: object) -> Box:
        if not isinstance(other, Box):
            return NotImplemented
        shared = sorted(set(self.names) & set(other.names))
        if shared:
            raise ProblemError(f"a product of boxes expects different coordinates, got {', '.join(shared)} in both")
        return Box(**self.bounds(), **other.bounds())

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return name -> (low, high)."""
        return {name: (float(a), float(b)) for name, a, b in zip(self.names, self.low, self.high, strict=True)}

    def __eq__(self, other: object) -> bool:
        # The order matters, because the columns of points follow it.
        return isinstance(other, Box) and list(self.bounds().items()) == list(other.bounds().items())

    def __hash__(self) -> int:
        return hash(tuple(self.bounds().items()))

    def __repr__(self) -> str:
        return f"Box({', '.join(f'{name}=({low:g}, {high:g})' for name, (low, high) in self.bounds().items())})"


def as_box(domain: Domain) -> Box | None:
    """Return the domain if it is a box, None for other shapes; algorithms on tensor grids need a box."""
    return domain if isinstance(domain, Box) else None


def _read_only(values: list[float]) -> Array:
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
        # Strings and booleans would convert too, and hide a mistake.
        number = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ProblemError(f"coordinate {name} expects finite numbers as bounds, got {value!r}")
    return number
