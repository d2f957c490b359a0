"""A domain split into parts: cells, each inside one part, and the contacts between neighbouring cells.

Boxes in a box are split along the axes into boxes, so that all cells have tensor grids. Other parts are cells as they
are, with what is left as the last one. In the plane, parts around the only hole are two halves in polar coordinates,
because what is singular in the hole is then singular far from the cells.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError, short
from kanpde.geometry.box import Box, as_box
from kanpde.geometry.domain import Domain
from kanpde.geometry.frame import Frame, PolarFrame
from kanpde.geometry.patch import Patch, in_space, kept, over
from kanpde.geometry.piece import Piece, Signs
from kanpde.geometry.region import Region
from kanpde.geometry.shape import Shape

REST = "rest"  # the part of the domain that is in no other part
MOST_BOXES = {1: 64, 2: 16, 3: 8}  # largest number of boxes into which a box is split, by the number of coordinates
_STEP = 1e-7  # distance at which the two sides of a face are looked at, relative to the domain
_NEAR = 1e-9  # distance, relative to the domain, that is round-off
_RAYS = 48  # directions in which a region around a hole is looked for
_NARROW = 0.02  # smallest ratio of the radii of a ring that is described by polar coordinates
_SAMPLES = 2**12  # points at which parts are checked

Cut = tuple[int, float]  # the plane where the coordinate of this axis of space has this value


@dataclass(frozen=True, eq=False)
class Cell:
    """A piece of the part named `part`: its `region` of space, and the shapes on whose faces it meets the boundary.

    `outer` has such a shape for each of the domain's faces in space that the cell touches. `frame` maps the cell, with
    all the domain's coordinates, to the unit box.
    """

    part: str
    region: Shape
    outer: Mapping[str, Shape]
    frame: Frame


@dataclass(frozen=True, eq=False)
class Contact:
    """Where the cells number `inner` and `outer` meet: on faces of `place`, whose normals point out of the inner one.

    `names` mean it with these normals, `names_outer` with the opposite ones. `plane` is given if it is part of one.
    Cells of the same part have a `smooth` contact.
    """

    inner: int
    outer: int
    place: Shape
    faces: tuple[str, ...]
    names: frozenset[str]
    names_outer: frozenset[str]
    plane: Cut | None = None
    smooth: bool = False


class Partition:
    """The cells of a domain and their contacts. Raises ProblemError for parts that are no shapes inside the domain."""

    def __init__(self, domain: Domain, parts: Mapping[str, Shape], cuts: Sequence[Cut] = ()) -> None:
        self.axes, self.space, self._dimension = domain.space, in_space(domain), domain.dimension
        self.shapes = {name: self._shape(name, shape) for name, shape in parts.items()}
        self.own = dict(parts)
        self.cuts = tuple(cuts)
        self.step = _STEP * float((self.space.high - self.space.low).max())
        self._check()
        edges = self._edges()
        self.cells, self.contacts = self._boxes(edges) if edges else self._shapes()
        self.parts = tuple(dict.fromkeys(cell.part for cell in self.cells))

    @property
    def aligned(self) -> bool:
        """True if all cells are boxes."""
        return all(as_box(cell.region) is not None for cell in self.cells)

    def locate(self, points: Tensor) -> Tensor:
        """Return the number (n,) of the cell in which each of the domain's points (n, d) lies, or of the nearest."""
        levels = [cell.region.level(points[..., self.axes]) for cell in self.cells]
        return torch.stack(levels).argmin(dim=0)

    def part_of(self, points: Tensor) -> Tensor:
        """Return the number (n,) in `parts` of the part in which each point (n, d) lies."""
        numbers = [self.parts.index(cell.part) for cell in self.cells]
        return torch.tensor(numbers, device=points.device)[self.locate(points)]

    def apart(self, points: Array) -> npt.NDArray[np.bool_]:
        """Return whether each of the points (n, d) lies inside a cell, and not on a contact: (n,)."""
        inside, first = np.ones(len(points), dtype=bool), torch.as_tensor(points)
        home = self.locate(first)
        for axis, sign in itertools.product(self.axes, (-1, 1)):
            moved = points.copy()
            moved[:, axis] += sign * self.step
            inside &= (self.locate(torch.as_tensor(moved)) == home).numpy()
        return inside

    # Checks ----------------------------------------------------------------------------------------------------------

    def _shape(self, name: str, shape: Shape) -> Shape:
        if not isinstance(shape, Shape):
            raise ProblemError(f"part {name!r} expects a shape such as Disk((0, 0), 1), got {short(shape)}")
        if "t" in shape.names:
            raise ProblemError(f"part {name!r} expects a shape in space, got {shape} with t; leave t out")
        return over(shape, self.space)

    def _check(self) -> None:
        """Raise ProblemError if a part lies outside the domain, or two parts overlap."""
        near = 10 * self.step
        for name, shape in self.shapes.items():
            points = shape.interior(np.random.default_rng(0).random((_SAMPLES, shape.dimension)))
            beyond = self.space.inside(points) > near
            larger = (shape.low < self.space.low - near).any() or (shape.high > self.space.high + near).any()
            if beyond.any() or larger:
                where = "outside" if beyond.all() else "partly outside"
                raise ProblemError(
                    f"part {name!r} expects a shape inside {self.space}, got {shape} {where}; move it, or cut it with &"
                )
            for other, second in self.shapes.items():
                if other != name and (second.inside(points) < -near).any():
                    raise ProblemError(f"parts expect shapes that do not overlap, got {name!r} and {other!r}; move one")

    # Boxes -----------------------------------------------------------------------------------------------------------

    def _edges(self) -> list[Array] | None:
        """Return the borders of the boxes along every axis; None if there are other shapes, or too many boxes."""
        boxes = [as_box(shape) for shape in (self.space, *self.shapes.values())]
        if any(box is None for box in boxes):
            if self.cuts:
                raise ProblemError(
                    "an Interface on a plane, on={'x': 0.3}, expects a Box and parts that are boxes, got other shapes; "
                    "name a face of a part"
                )
            return None
        edges = []
        for axis in range(self.space.dimension):
            values = [b for box in boxes if box for b in (box.low[axis], box.high[axis])]
            values += [value for a, value in self.cuts if a == axis]
            edges.append(distinct(np.array(values)))
        count = int(np.prod([len(each) - 1 for each in edges]))
        return edges if self.cuts or count <= MOST_BOXES.get(len(edges), 0) else None

    def _boxes(self, edges: Sequence[Array]) -> tuple[tuple[Cell, ...], tuple[Contact, ...]]:
        names, shape = self.space.names, tuple(len(each) - 1 for each in edges)
        cells: list[Cell] = []
        for place in np.ndindex(shape):
            bounds = {n: (e[i], e[i + 1]) for n, e, i in zip(names, edges, place, strict=True)}
            box = Box(**bounds)
            outer: dict[str, Shape] = {f"{n}-": box for n, i in zip(names, place, strict=True) if i == 0}
            outer |= {f"{n}+": box for n, i, m in zip(names, place, shape, strict=True) if i == m - 1}
            middle = ((box.low + box.high) / 2)[None]
            here = [name for name, part in self.shapes.items() if part.inside(middle)[0] < 0]
            cells.append(Cell(here[0] if here else REST, box, outer, self._frame(box.low, box.high)))
        numbers, contacts = np.arange(len(cells)).reshape(shape), []
        for axis, name in enumerate(names):
            for place in np.ndindex(shape):
                if place[axis] == shape[axis] - 1:
                    continue
                plane = axis, float(edges[axis][place[axis] + 1])
                one, other = (
                    int(numbers[tuple(p)]) for p in (place, np.add(place, np.eye(len(shape))[axis].astype(int)))
                )
                first, second = cells[one].part, cells[other].part
                names_of = self._names(first), self._names(second)
                smooth = first == second and not self._is_cut(plane)
                contacts.append(Contact(one, other, cells[one].region, (f"{name}+",), *names_of, plane, smooth))
        return tuple(cells), tuple(contacts)

    def _is_cut(self, plane: Cut) -> bool:
        width = float((self.space.high - self.space.low)[plane[0]])
        return any(axis == plane[0] and abs(value - plane[1]) <= _NEAR * width for axis, value in self.cuts)

    def _names(self, part: str, faces: Sequence[str] = ()) -> frozenset[str]:
        """Return the names that mean a contact of a part: its own, that of its shape, those of its shape's faces."""
        shape = self.own.get(part)
        found = {part, *faces}
        if shape is not None:
            label = getattr(shape, "name", None)
            found |= {label} if label else set()
            found |= {group for group, those in shape.groups.items() if set(those) & set(faces)}
        return frozenset(found)

    # Other shapes ----------------------------------------------------------------------------------------------------

    def _shapes(self) -> tuple[tuple[Cell, ...], tuple[Contact, ...]]:
        regions = self._regions()
        every = [p for shape in (self.space, *self.shapes.values()) for pieces in shape.pieces.values() for p in pieces]
        shapes = [region for _, region, _ in regions]
        for _, _, frame in regions:
            if isinstance(frame, PolarFrame):
                every.append(self._lower(frame).pieces[f"{self.space.names[1]}+"][0])

        def within(number: int) -> Callable[[Array], Signs]:
            def inside(points: Array) -> Signs:
                found = np.stack([shape.inside(points) for shape in shapes]).argmin(axis=0) == number
                return np.asarray(found & (self.space.inside(points) < 0), dtype=np.int64)

            return inside

        cells = []
        for number, (part, region, frame) in enumerate(regions):
            found = {face: kept(self.space, face, within(number), -self.step, every) for face in self.space.pieces}
            outer = {face: self._patch([frame], {face: pieces}) for face, pieces in found.items() if pieces}
            cells.append(Cell(part, region, outer, frame))
        contacts = []
        for (one, (part, shape)), other in itertools.product(enumerate(self.shapes.items()), range(len(cells))):
            # A part that is two cells has both halves inside its faces.
            for inner in [number for number, cell in enumerate(cells) if cell.part == part]:
                beyond = list(self.shapes).index(cells[other].part) if cells[other].part in self.shapes else len(cells)
                if beyond <= one:
                    continue
                found = {f: kept(shape, f, within(other), self.step, every) for f in shape.pieces}
                found = {f: self._beside(pieces, within(inner), every) for f, pieces in found.items()}
                found = {f: pieces for f, pieces in found.items() if pieces}
                if found:
                    faces = [] if as_box(shape) is not None else list(found)
                    place = self._patch([cells[inner].frame, cells[other].frame], found)
                    names = self._names(part, faces), self._names(cells[other].part)
                    contacts.append(Contact(inner, other, place, tuple(found), *names))
        for lower, cell in enumerate(cells):
            if isinstance(cell.frame, PolarFrame) and cell.frame.side < 0:
                contacts.append(self._halves(cells, lower, lower + 1, within, every))
        return tuple(cells), tuple(contacts)

    def _beside(
        self, pieces: Sequence[Piece], inside: Callable[[Array], Signs], others: Sequence[Piece]
    ) -> tuple[Piece, ...]:
        """Return the parts of pieces with a cell on their inner side."""

        def test(points: Array, normals: Array) -> Signs:
            return inside(points - self.step * normals)

        return tuple(part for piece in pieces for part in piece.kept(test, others))

    def _halves(
        self, cells: Sequence[Cell], lower: int, upper: int, within: Callable[[int], Any], others: Sequence[Piece]
    ) -> Contact:
        """Return the contact of the two halves of a ring."""
        frame, face = cells[lower].frame, f"{self.space.names[1]}+"
        assert isinstance(frame, PolarFrame)
        pieces = self._beside(kept(self._lower(frame), face, within(upper), self.step, others), within(lower), others)
        place = self._patch([frame, cells[upper].frame], {face: pieces})
        return Contact(lower, upper, place, (face,), frozenset(), frozenset(), (1, frame.center[1]), smooth=True)

    def _lower(self, frame: PolarFrame) -> Box:
        """Return the box of space below the centre of a polar frame."""
        names, low, high = self.space.names, self.space.low, self.space.high
        bounds = {n: (float(a), float(b)) for n, a, b in zip(names, low, high, strict=True)}
        return Box(**{**bounds, names[1]: (float(low[1]), frame.center[1])})

    def _regions(self) -> list[tuple[str, Shape, Frame]]:
        """Return the part, the region and the frame of every cell; a part around a hole has two cells."""
        space, found = self.space, dict(self.shapes)
        inside = space.interior(np.random.default_rng(0).random((_SAMPLES, space.dimension)))
        covered = np.stack([shape.inside(inside) <= 0 for shape in found.values()]).any(axis=0)
        if not covered.all():
            measure = space.measure - sum(shape.measure for shape in found.values())
            found[REST] = Patch(space.names, space.low, space.high, self._level_of_rest, measure)
        center, regions = self._hole(), list[tuple[str, Shape, Frame]]()
        for part, shape in found.items():
            radii = None if center is None else self._radii(shape, center)
            if center is None or radii is None:
                frame = self._frame(shape.low, shape.high)
                regions.append((part, shape if part != REST else self._region(shape, shape.level, frame), frame))
                continue
            for side in (-1, 1):
                polar = PolarFrame(*self._affine(shape.low, shape.high), center=center, radii=radii, side=side)
                regions.append((part, self._region(shape, half_level(shape, center[1], side), polar), polar))
        return regions

    def _region(self, shape: Shape, level: Callable[[Tensor], Tensor], frame: Frame) -> Region:
        own = replace(frame, low=frame.low[[*self.axes]], width=frame.width[[*self.axes]])
        return Region(shape.names, shape.low, shape.high, level, shape.measure, own)

    def _affine(self, low: Array, high: Array) -> tuple[Array, Array]:
        first, width = np.zeros(self._dimension), np.ones(self._dimension)
        first[[*self.axes]], width[[*self.axes]] = low, high - low
        return first, width

    def _frame(self, low: Array, high: Array) -> Frame:
        return Frame(*self._affine(low, high))

    def _hole(self) -> tuple[float, float] | None:
        """Return the centre of the only hole of a domain in the plane, or of a part; None if there are more or none."""
        if self.space.dimension != 2 or self.axes != (0, 1):
            return None
        near = 1e4 * self.step
        inner = [s for s in self.shapes.values() if (s.low > self.space.low).all() and (s.high < self.space.high).all()]
        middle = (self.space.low + self.space.high) / 2
        centers = [(shape.low + shape.high) / 2 for shape in inner]
        centers += [middle] if self.space.inside(middle[None])[0] > 0 else []
        if not centers or any(np.abs(center - centers[0]).max() > near for center in centers):
            return None
        return float(centers[0][0]), float(centers[0][1])

    def _radii(self, shape: Shape, center: tuple[float, float]) -> tuple[float, float] | None:
        """Return the radii between which a region around a centre lies; None if it is not all around it."""
        if shape.inside(np.array([center]))[0] <= 0:
            return None
        away = self.space.interior(np.random.default_rng(1).random((4 * _SAMPLES, 2)))
        away = away[shape.inside(away) < 0] - center
        turn = np.arctan2(away[:, 1], away[:, 0])
        if len(np.unique((turn + np.pi) // (2 * np.pi / _RAYS))) < _RAYS:
            return None
        every = [
            p.quadrature(_SAMPLES)[0]
            for s in (self.space, *self.shapes.values())
            for ps in s.pieces.values()
            for p in ps
        ]
        corners = np.stack(np.meshgrid(*zip(self.space.low, self.space.high, strict=True)), axis=-1).reshape(-1, 2)
        edge = np.concatenate([*every, corners[self.space.contains(corners)]])
        edge = edge[np.abs(shape.inside(edge)) < self.step]
        distances = np.linalg.norm(edge - center, axis=1)
        inner, outer = float(distances.min()), float(distances.max())
        return (inner, outer) if inner > _NARROW * outer else None

    def _level_of_rest(self, points: Tensor) -> Tensor:
        others = torch.stack([shape.level(points) for shape in self.shapes.values()]).amin(dim=0)
        return torch.maximum(self.space.level(points), -others)

    def _patch(self, frames: Sequence[Frame], pieces: Mapping[str, tuple[Piece, ...]]) -> Shape:
        """Return pieces of faces as a shape; its size, by which points on them are spaced, is the least of frames."""
        spans = min((frame.spans(self.axes) for frame in frames), key=lambda each: float(each.min()))
        low = self.space.low
        return Patch(self.space.names, low, low + spans, self.space.level, self.space.measure, pieces)


def half_level(shape: Shape, middle: float, side: int) -> Callable[[Tensor], Tensor]:
    """Return the level of the half of a shape above (side 1) or below (-1) the middle."""
    return lambda points: torch.maximum(shape.level(points), side * (middle - points[..., 1]))


def distinct(values: Array) -> Array:
    """Return the values in order, each of those that agree up to round-off once."""
    values = np.sort(values)
    return np.asarray(values[np.concatenate([[True], np.diff(values) > _NEAR * (values[-1] - values[0])])])
