"""A block at the points of a tensor product: the product's functions there, on grids if the points form some."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus import jets
from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import Placed, mean, row_factors
from kanpde.marching.tensor_product import AtPoints, Local, OnCutGrid, OnGrid, TensorProduct, lines_of
from kanpde.problem.lift import Lift


@dataclass(frozen=True, eq=False)
class CutGrid:
    """Points inside a shape: those with the numbers `inside` (n,) of the tensor grid of lines (n_a,)."""

    lines: tuple[Tensor, ...]
    inside: Tensor

    @classmethod
    def of(cls, points: Array, here: npt.NDArray[np.bool_], shape: Sequence[int]) -> CutGrid | tuple[()]:
        """Return the points (n, d) that are `here` as part of their tensor grid of this shape; () if it is none."""
        lines = lines_of(torch.as_tensor(points), shape)
        return () if lines is None else cls(tuple(lines), torch.from_numpy(np.flatnonzero(here)))

    def part(self, points: Tensor, space: TensorProduct, plan: jets.JetPlan) -> OnCutGrid | Local | AtPoints:
        """Return a space at its points, if they are these ones."""
        lines, inside = [line.to(points.device) for line in self.lines], self.inside.to(points.device)
        same = torch.equal(torch.cartesian_prod(*lines)[inside], points)
        return space.on_part(lines, inside, plan) if same else space.at_points(points, plan)


Shapes = tuple[tuple[int, ...], ...] | CutGrid  # the shapes of successive tensor grids, or a part of one


class OnGrids(Protocol):
    """A trial function that may use it if points form tensor grids."""

    def prepare(self, points: Tensor, plan: jets.JetPlan, shapes: Shapes = (), /) -> Any:
        """Precompute the data at points (n, d), which `shapes` declares to be successive tensor grids."""
        ...

    def jets(self, prepared: Any, /) -> Tensor:
        """Return the jets (n, S, f)."""
        ...


def point_values(function: OnGrids) -> Callable[[Array], Array]:
    """Return a trial function as a function of points, (n, d) -> (n, fields)."""

    def values(points: Array) -> Array:
        plan = jets.JetPlan(points.shape[1], [()])
        with torch.no_grad():
            found = function.jets(function.prepare(torch.as_tensor(points), plan))
        return np.asarray(found[:, 0].cpu().numpy())

    return values


@dataclass(frozen=True, eq=False)
class Image:
    """One image of a block's points, with the space there, in parts, and the jets of lift and factor."""

    points: Tensor
    space: TensorProduct
    plan: jets.JetPlan
    parts: tuple[OnGrid | OnCutGrid | Local | AtPoints, ...]
    counts: tuple[int, ...]
    lift: Tensor | None
    factor: Tensor | None

    @classmethod
    def of(
        cls,
        points: Tensor,
        space: TensorProduct,
        plan: jets.JetPlan,
        ansatz: Lift | None,
        shapes: Shapes = (),
        about: OnGrids | None = None,
    ) -> Image:
        """Precompute the space at points; `shapes` declares them to be successive tensor grids.

        If a function `about` is given, it is the lift.
        """
        lift, factor = (None, None) if ansatz is None else ansatz.jets(points, plan)
        if about is not None:
            with torch.no_grad():
                lift = about.jets(about.prepare(points, plan, shapes))
        if isinstance(shapes, CutGrid):
            return cls(points, space, plan, (shapes.part(points, space, plan),), (len(points),), lift, factor)
        counts = tuple(math.prod(shape) for shape in shapes)
        pieces = torch.split(points, list(counts)) if shapes else ()
        lines = [lines_of(piece, shape) for piece, shape in zip(pieces, shapes, strict=True)]
        if not lines or any(each is None for each in lines):
            return cls(points, space, plan, (space.at_points(points, plan),), (len(points),), lift, factor)
        parts = tuple(space.on_grid(each, plan) for each in lines if each is not None)
        return cls(points, space, plan, parts, counts, lift, factor)

    def own_jets(self, coefficients: Tensor) -> Tensor:
        """Return the jets (n, S, f) without the lift."""
        found = [part.jets(coefficients) for part in self.parts]
        jet = found[0] if len(found) == 1 else torch.cat(found)
        return jet if self.factor is None else jets.product(self.plan, self.factor, jet)

    def jets(self, coefficients: Tensor) -> Tensor:
        """Return the solution's jets (n, S, f)."""
        jet = self.own_jets(coefficients)
        return jet if self.lift is None else self.lift + jet

    def adjoint(self, adjoint: Tensor) -> Tensor:
        """Return the transpose of `own_jets`: (n, S, f) -> (P, f)."""
        if len(self.parts) == 1:
            return self.parts[0].adjoint(self._unlifted(adjoint))
        shares = torch.split(self._unlifted(adjoint), list(self.counts))
        return torch.stack([part.adjoint(share) for part, share in zip(self.parts, shares, strict=True)]).sum(0)

    def partials(self, coefficients: Tensor, which: Sequence[int]) -> dict[int, Tensor]:
        """Return the partials (f, n) with these numbers in `own_jets`."""
        grid = self._grid
        if grid is not None:
            return grid.partials(coefficients, which)
        jet = self.own_jets(coefficients)
        return {s: jet[:, s].T for s in which}

    def partials_adjoint(self, values: Mapping[int, Tensor]) -> Tensor:
        """Apply the transpose of `partials`, to (f, n) by the numbers of the partials; return (P, f)."""
        grid = self._grid
        if grid is not None:
            return grid.partials_adjoint(values)
        first = next(iter(values.values()))
        jet = first.new_zeros(len(self.plan), *first.shape)
        for s, each in values.items():
            jet[s] = each
        return self.adjoint(jet.permute(2, 0, 1))

    @property
    def _grid(self) -> OnGrid | None:
        """The one tensor grid of all points, if the space has no factor there."""
        part = self.parts[0]
        return part if len(self.parts) == 1 and isinstance(part, OnGrid) and self.factor is None else None

    def rows(self, adjoint: Tensor) -> Tensor:
        """Return the derivatives of Σ adjoint · jets by the coefficients in `local`: (n, S, f) -> (n, m, f)."""
        return torch.einsum("nsf,nsm->nmf", self._unlifted(adjoint), self.local.features)

    def split(self, slopes: Tensor) -> list[tuple[OnGrid | Local | AtPoints, Tensor]]:
        """Return the parts, each with its slopes (c, n, S, f) by the space's own jets; those of a cut grid are zero
        outside, as those of the whole grid.
        """
        own = slopes if self.factor is None else torch.stack([self._unlifted(each) for each in slopes])
        pairs = zip(self.parts, torch.split(own, list(self.counts), dim=1), strict=True)
        return [
            (part.grid, part.everywhere(each, 1)) if isinstance(part, OnCutGrid) else (part, each)
            for part, each in pairs
        ]

    def _unlifted(self, adjoint: Tensor) -> Tensor:
        return adjoint if self.factor is None else jets.product_adjoint(self.plan, self.factor, adjoint)

    @cached_property
    def local(self) -> Local:
        """The products that do not vanish at the points."""
        part = self.parts[0]
        if isinstance(part, Local):
            return part
        if isinstance(part, OnCutGrid):
            return self.space.local(self.points, self.plan)
        every = [each.local for each in self.parts if not isinstance(each, Local | OnCutGrid)]
        if len(every) == 1:
            return every[0]
        columns, features = (
            torch.cat(each) for each in zip(*((one.columns, one.features) for one in every), strict=True)
        )
        return replace(every[0], columns=columns, features=features)


@dataclass(frozen=True, eq=False)
class TensorFunction:
    """u = lift + factor · Σ_j c_j B_j with coefficients c (P, f), and unknown constants: a trial function.

    If a function `about` is given, it is the lift.
    """

    space: TensorProduct
    ansatz: Lift | None
    coefficients: Tensor
    unknowns: Mapping[str, Tensor] = field(default_factory=dict)
    about: OnGrids | None = None

    def prepare(self, points: Tensor, plan: jets.JetPlan, shapes: Shapes = ()) -> Image:
        """Precompute the space at points (n, d), which `shapes` declares to be tensor grids."""
        return Image.of(points, self.space, plan, self.ansatz, shapes, self.about)

    def jets(self, prepared: Image) -> Tensor:
        """Return the jets (n, S, f)."""
        return prepared.jets(self.coefficients)


@dataclass(frozen=True)
class Piece:
    """A block at its points, the space at each image of them, and their weights (n,) and scale (components,)."""

    placed: Placed
    images: tuple[Image, ...]
    weights: Tensor
    shapes: Shapes
    scale: Tensor

    def rows(self, solution: TensorFunction) -> Tensor:
        """Return the block's own rows (components, n)."""
        return self.placed.rows_of(solution, self.images)

    @property
    def factors(self) -> Tensor:
        """The factor of every row, (components, n)."""
        return row_factors(self.placed.block.weight * self.weights, self.scale)

    def products(self, fields: int) -> int:
        """Return the number of products of two unknowns in the rows of one component, if all points lie on grids."""
        count = 0
        for parts in zip(*(image.parts for image in self.images), strict=True):
            lines = [each.lines for each in parts if isinstance(each, OnGrid | OnCutGrid)]
            points = math.prod(len(line.columns) for line in lines[0])
            count += points * (fields * sum(math.prod(line.columns.shape[1] for line in each) for each in lines)) ** 2
        return count

    @property
    def on_grids(self) -> bool:
        """Whether all points lie on tensor grids, so that sums along the axes give JᵀJ."""
        return all(isinstance(part, OnGrid | OnCutGrid) for image in self.images for part in image.parts)


def balancing_sizes(
    pieces: Sequence[Piece], slopes: Sequence[Sequence[Tensor]], terms: Sequence[Tensor], widths: Sequence[float]
) -> Tensor:
    """Return the largest size (f,) at which a field's terms, over the whole box, balance those of an equation.

    The slopes and the sizes of all `terms` are given for every piece of the equation, and the box's `widths` (d,).
    """
    found = []
    for piece, each, size in zip(pieces, slopes, terms, strict=True):
        spans = size.new_tensor(spans_of(piece.images[0].plan, widths))
        steep = torch.stack([mean(slope.square(), piece.weights).sqrt() for slope in each])
        sizes = size[:, None] / (steep / spans[:, None]).amax(dim=1)
        found.append(torch.where(torch.isfinite(sizes), sizes, 0.0).amax(dim=0))
    return torch.stack(found).amax(dim=0)


def spans_of(plan: jets.JetPlan, widths: Sequence[float]) -> list[float]:
    """Return the product of the box's widths along the axes of every partial."""
    return [math.prod(widths[a] for a in partial) for partial in plan.partials]


def noticed_fields(slopes: Sequence[Sequence[Sequence[Tensor]]]) -> Tensor:
    """Return which fields (f,) any row notices by a constant, given every piece's slopes by component and image."""
    # Sides that balance add up to zero.
    each = [torch.stack([image[:, 0] for image in images]).sum(dim=0).any(dim=0) for own in slopes for images in own]
    return torch.stack(each).any(dim=0)
