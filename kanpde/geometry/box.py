"""Boxes: products of intervals with named coordinates."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, Constant
from kanpde.errors import ProblemError, short
from kanpde.geometry.boundary import Pieces
from kanpde.geometry.curves import Segment
from kanpde.geometry.domain import Domain, Face
from kanpde.geometry.names import coordinate, face_name
from kanpde.geometry.piece import End, Piece, gauss, tensor
from kanpde.geometry.shape import Shape
from kanpde.geometry.surfaces import Side, per_axis

MAX_COORDINATES = 20  # of a box, because conditions on faces cost points on every face
# The largest bound, and the smallest difference of bounds, also relative to them: derivatives divide by its powers.
LARGEST, SMALLEST, ROUND_OFF = 1e40, 1e-40, 1e-12
_TOLERANCE = 64 * np.finfo(np.float64).eps  # of contains(), relative to the bounds


@dataclass(frozen=True)
class BoxFace(Face):
    """A face of a box: its ``name``, "x-" or "t+", the ``axis`` it cuts, and its ``side``, -1 (low) or +1 (high)."""

    side: int

    @property
    def axis(self) -> int:
        return self.axes[0]


class Box(Shape):
    """Π_a [low_a, high_a], the product of closed intervals in one to twenty named coordinates; ``t`` is time.

    ``Box(x=(0, 1), y=(0, 2), t=(0, 1))``. Bounds are numbers, SymPy's included. Boxes with different coordinates can be
    multiplied: ``Box(x=(0, 1)) * Box(t=(0, 2))``.

    ``names`` are the coordinates in order; ``low`` and ``high`` are arrays of shape (d,); ``time`` is the axis of ``t``
    or None; ``space`` are the other axes. A word as ``name`` is no coordinate: it names all faces of the box where it
    is a hole or a part. Raises ProblemError if bounds are not two finite increasing numbers.
    """

    most: ClassVar[int | None] = MAX_COORDINATES  # the largest number of coordinates; None: any number
    names: tuple[str, ...]
    low: Array
    high: Array
    name: str | None

    def __init__(self, /, **bounds: Any) -> None:
        self.name = face_name(bounds.pop("name"), "Box") if isinstance(bounds.get("name"), str) else None
        if not bounds or (self.most is not None and len(bounds) > self.most):
            raise ProblemError(
                f"a Box expects 1 to {self.most} coordinates, got {len(bounds)}; write it like Box(x=(0, 1), t=(0, 1))"
            )
        self.names = tuple(coordinate(name) for name in bounds)
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
        others = (axis for axis in range(self.dimension) if axis != cut.axis)
        for axis, along in zip(others, unit.T, strict=True):
            points[:, axis] = self.low[axis] * (1 - along) + self.high[axis] * along
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

    @functools.cached_property
    def pieces(self) -> Pieces:
        return {face.name: (self._piece(face),) for face in self._faces.values()}

    def _piece(self, face: BoxFace) -> Piece:
        low, high = self.low.copy(), self.high.copy()
        low[face.axis] = high[face.axis] = (low if face.side < 0 else high)[face.axis]
        if self.dimension == 1:
            return End(float(low[0]), face.side)
        if self.dimension > 2:
            return Side(tuple(low.tolist()), tuple(high.tolist()), face.axis, face.side)
        # A segment's normal points to the right of its way: upwards along y on x+, to the left on y+.
        first, second = (low, high) if (face.axis == 0) == (face.side > 0) else (high, low)
        return Segment((float(first[0]), float(first[1])), (float(second[0]), float(second[1])))

    @property
    def named_pieces(self) -> Pieces:
        if self.name is None:
            return self.pieces
        return {self.name: tuple(piece for pieces in self.pieces.values() for piece in pieces)}

    def level(self, points: Tensor) -> Tensor:
        """Return the largest of low - x and x - high over all axes: the distance within the box."""
        low, high = points.new_tensor(self.low.tolist()), points.new_tensor(self.high.tolist())
        return torch.maximum(low - points, points - high).amax(dim=-1)

    def quadrature(self, count: int) -> tuple[Array, Array]:
        """Return about `count` points (n, d) of Gauss' rule, and weights (n,)."""
        each = per_axis(count, self.dimension)
        lines = [gauss(each, a, b) for a, b in zip(self.low, self.high, strict=True)]
        return tensor([nodes for nodes, _ in lines], [weights for _, weights in lines])

    def inner_box(self) -> tuple[Array, Array]:
        """Return the corners of the box itself."""
        return self.low, self.high

    @property
    def factor(self) -> Shape | None:
        return self.only("t") if self.time is not None and self.dimension > 1 else None

    def divided(self, factor: Shape) -> Shape | None:
        k = self.dimension - factor.dimension
        if k < 1 or self.names[k:] != factor.names or factor != self.only(*factor.names):
            return None
        return self.only(*self.names[:k])

    def only(self, *names: str) -> Box:
        """Return the box over these of its coordinates."""
        return Box(**{name: bounds for name, bounds in self.bounds().items() if name in names})

    @property
    def is_box(self) -> bool:
        return True

    @property
    def key(self) -> tuple[Any, ...]:
        return *self.bounds().items(), self.name

    @overload
    def __mul__(self, other: Box) -> Box: ...
    @overload
    def __mul__(self, other: object) -> Shape: ...
    def __mul__(self, other: object) -> Shape:
        if not isinstance(other, Box):
            return super().__mul__(other)
        shared = sorted(set(self.names) & set(other.names))
        if shared:
            raise ProblemError(f"a product of boxes expects different coordinates, got {', '.join(shared)} in both")
        return Box(**self.bounds(), **other.bounds())

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return name -> (low, high)."""
        return {name: (float(a), float(b)) for name, a, b in zip(self.names, self.low, self.high, strict=True)}

    def __repr__(self) -> str:
        return f"Box({', '.join(f'{name}=({low:g}, {high:g})' for name, (low, high) in self.bounds().items())})"


def as_box(domain: Domain) -> Box | None:
    """Return the domain if it is a box, None for other shapes; algorithms on tensor grids need a box."""
    return domain if isinstance(domain, Box) else None


def _read_only(values: list[float]) -> Array:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _interval(name: str, interval: Any) -> tuple[float, float]:
    bounds = [] if isinstance(interval, (str, bytes, Mapping, Set)) or not np.iterable(interval) else [*interval]
    if len(bounds) != 2:
        raise ProblemError(f"coordinate {name} expects two bounds (low, high), got {short(interval)}")
    low, high = (_bound(name, bound) for bound in bounds)
    if low < high and high - low < max(SMALLEST, ROUND_OFF * max(abs(low), abs(high))):
        raise ProblemError(
            f"coordinate {name} expects bounds that differ by at least {SMALLEST:g} and by more than round-off, got "
            f"({low!r}, {high!r}); choose another origin or unit"
        )
    if low >= high:
        raise ProblemError(f"coordinate {name} expects low < high, got ({low:g}, {high:g}); swap or change the bounds")
    return low, high


def _bound(name: str, value: Any) -> float:
    try:
        # Strings and booleans would convert too, and hide a mistake.
        number = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= LARGEST:
        raise ProblemError(f"coordinate {name} expects finite numbers as bounds, got {short(value)}")
    return number
