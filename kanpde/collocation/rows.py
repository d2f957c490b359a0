"""The rows of a least-squares problem: a block at its points, as a function of the fields' jets and unknown constants.

All trial functions share these rows: a network, a tensor product, a formula. A trial function gives jets (n, S, f); the
block, which is the user's own code, turns the jets into rows (c, n); and automatic differentiation gives the slopes
∂r/∂jet. The product of the slopes with the jets' derivatives by the trial function's parameters is the Jacobian.

Rows are divided by the size of their terms, so that the norm of the rows estimates a relative (backward) error in any
units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol

import torch
from torch import Tensor

from kanpde.calculus import forward_mode
from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.jets import JetPlan
from kanpde.problem.block import Block, Left, Side
from kanpde.problem.field import Field


class TrialFunction(Protocol):
    """An unknown function with given parameters, evaluated at points with data precomputed once."""

    @property
    def unknowns(self) -> Mapping[str, Tensor]:
        """The values of the unknown constants, each a scalar."""
        ...

    def jets(self, prepared: Any) -> Tensor:
        """Return the fields' jets (n, S, f) at prepared points, in the order of the plan's partials."""
        ...


@dataclass(frozen=True, eq=False)
class Sums:
    """Integrals as sums over groups of points: `group` (n,) is the number of each point's group, of `count`."""

    group: Tensor
    weights: Tensor
    count: int

    def total(self, values: Tensor) -> Tensor:
        """Return the weighted sums over the groups, (..., n) -> (..., g)."""
        return self.added(values * self.weights)

    def added(self, values: Tensor, dim: int = -1) -> Tensor:
        """Return the plain sums over the groups, along one dimension."""
        shape = list(values.shape)
        shape[dim] = self.count
        return values.new_zeros(shape).index_add(dim, self.group, values)


@dataclass(frozen=True)
class Slope:
    """The derivatives of one component's rows: by the jets at every image, (n, S, f), by the unknowns, (rows, U).

    A row that is a sum over points has its derivatives by the jets at each of them.
    """

    by_jets: tuple[Tensor, ...]
    by_unknowns: Tensor


@dataclass(frozen=True, eq=False)
class Placed:
    """A block at its points.

    `images` (n, d) are the sets of points where the fields are needed, `plan` has the partials needed there, and
    `names` are the coordinates. `index` (n,) is the number of every point's face, or the point's number among a block's
    fixed points. `target` (components, n) is subtracted from the rows. If `sums` are given, each row is a sum.
    """

    block: Block
    names: tuple[str, ...]
    plan: JetPlan
    images: tuple[Tensor, ...]
    index: Tensor | None
    target: Tensor | None = None
    sums: Sums | None = None

    @classmethod
    def at(
        cls,
        block: Block,
        names: tuple[str, ...],
        points: Tensor,
        index: Tensor | None,
        sums: Sums | None = None,
        *,
        plan: JetPlan | None = None,
    ) -> Placed:
        """Return the block at points (n, d)."""
        return cls(block, names, plan or plan_of(block, len(names)), block.images(points), index, sums=sums)

    @property
    def count(self) -> int:
        """The number of rows of each component."""
        return len(self.images[0]) if self.sums is None else self.sums.count

    def collected(self, values: Tensor, dim: int = -1) -> Tensor:
        """Return the sums of values at the points along one dimension, one for each row."""
        return values if self.sums is None else self.sums.added(values, dim)

    def at_points(self, values: Tensor) -> Tensor:
        """Return the transpose of `collected`, (..., rows) -> (..., n)."""
        return values if self.sums is None else values[..., self.sums.group]

    def rows(self, jets: Sequence[Tensor], unknowns: Mapping[str, Tensor]) -> Tensor:
        """Return the rows (components, n) from the jets (n, S, f) at every image; differentiable by autograd."""
        sides = [side(image, jet, self.plan, self.names) for image, jet in zip(self.images, jets, strict=True)]
        return self.evaluate(sides, unknowns)

    def evaluate(self, sides: Sequence[Side], unknowns: Mapping[str, Tensor]) -> Tensor:
        """Return the rows (components, n) from the fields at every image."""
        return self._completed(self.block.evaluate(tuple(sides), self.index, unknowns))

    def _completed(self, rows: Tensor) -> Tensor:
        """Return the rows from what the block evaluates at the points, (components, n)."""
        rows = rows if self.sums is None else self.sums.total(rows)
        return rows if self.target is None else rows - self.target

    def rows_of(self, trial: TrialFunction, prepared: Sequence[Any]) -> Tensor:
        """Return the rows (components, n) of a trial function that is prepared at every image."""
        return self.rows([trial.jets(each) for each in prepared], trial.unknowns)

    def slopes(
        self, jets: Sequence[Tensor], unknowns: Mapping[str, Tensor], factors: Tensor | None = None
    ) -> tuple[Tensor, Iterator[Slope]]:
        """Return the rows (components, n), and every component's slope times `factors` (components, n)."""
        if self.block.left is not None and self.sums is None:
            return self._slopes_of_left(self.block.left, jets, unknowns, factors)
        leaves = [jet.detach().requires_grad_() for jet in jets]
        # Each point has its own copy of every unknown, so that autograd gives the derivative point by point.
        count = len(leaves[0])
        copies = {n: value.detach().expand(count).clone().requires_grad_() for n, value in unknowns.items()}
        if not forward_mode.engine():
            return self._forward(leaves, copies, factors)
        rows = self.rows(leaves, copies)
        return rows.detach(), self._slopes(rows, leaves, [*copies.values()], factors)

    @torch.no_grad()
    def _slopes_of_left(
        self, left: Left, jets: Sequence[Tensor], unknowns: Mapping[str, Tensor], factors: Tensor | None
    ) -> tuple[Tensor, Iterator[Slope]]:
        """Return the same for rows that are linear by their form: what unit jets give, without reverse sweeps."""
        rows = self.rows([jet.detach() for jet in jets], unknowns)
        count = len(rows)
        found = [jet.new_zeros(count, *jet.shape) for jet in jets]
        for number, slopes in enumerate(found):
            for f, partials in self.block.partials.items():
                for s in map(self.plan.index.__getitem__, partials):
                    units = [torch.zeros_like(jet) for jet in jets]
                    units[number][:, s, f] = 1.0
                    pairs = zip(self.images, units, strict=True)
                    sides = tuple(side(image, unit, self.plan, self.names) for image, unit in pairs)
                    slopes[:, :, s, f] = left(sides, self.index)
        if factors is not None:
            found = [slopes * factors[:, :, None, None] for slopes in found]
        none = rows.new_zeros(rows.shape[1], len(unknowns))
        by_component = zip(*(slopes.unbind(0) for slopes in found), strict=True)
        return rows, (Slope(by_jets, none) for by_jets in by_component)

    def _slopes(
        self, rows: Tensor, leaves: Sequence[Tensor], copies: Sequence[Tensor], factors: Tensor | None
    ) -> Iterator[Slope]:
        """Yield the slope of one component after another, so that a caller needs memory for one only."""
        factors = torch.ones_like(rows) if factors is None else factors
        for component, (row, factor) in enumerate(zip(rows, factors, strict=True)):
            last = component == len(rows) - 1
            found = torch.autograd.grad(
                row, [*leaves, *copies], factor, retain_graph=not last, allow_unused=True, materialize_grads=True
            )
            none = row.new_zeros(len(row), 0)
            by_unknowns = [self.collected(each)[:, None] for each in found[len(leaves) :]]
            yield Slope(found[: len(leaves)], torch.cat([none, *by_unknowns], dim=1))

    def _forward(
        self, leaves: Sequence[Tensor], copies: Mapping[str, Tensor], factors: Tensor | None
    ) -> tuple[Tensor, Iterator[Slope]]:
        """Return the rows and slopes without reverse sweeps."""

        def at_points(*inputs: Tensor) -> Tensor:
            jets, values = inputs[: len(leaves)], inputs[len(leaves) :]
            sides = [side(image, jet, self.plan, self.names) for image, jet in zip(self.images, jets, strict=True)]
            return self.block.evaluate(tuple(sides), self.index, dict(zip(copies, values, strict=True)))

        values, found = forward_mode.pointwise(at_points, [each.detach() for each in (*leaves, *copies.values())])
        rows = self._completed(values)
        weights = self.at_points(torch.ones_like(rows) if factors is None else factors)
        weights = weights if self.sums is None else weights * self.sums.weights

        def slopes() -> Iterator[Slope]:
            for component, weight in enumerate(weights):
                by_jets = tuple(each[component] * weight[:, None, None] for each in found[: len(leaves)])
                by_unknowns = [self.collected(each[component] * weight)[:, None] for each in found[len(leaves) :]]
                yield Slope(by_jets, torch.cat([rows.new_zeros(rows.shape[1], 0), *by_unknowns], dim=1))

        return rows, slopes()

    def sizes(self, slopes: Sequence[Tensor]) -> list[Tensor]:
        """Return |∂r/∂jet| (rows, S, f) of every component from its slopes (n, S, f), added up in sums."""
        return [self.collected(slope.abs(), 0) for slope in slopes]


def side(points: Tensor, jet: Tensor, plan: JetPlan, names: tuple[str, ...]) -> Side:
    """Return the fields at points, which look their partials up in a jet (n, S, f)."""

    def lookup(f: int, alpha: MultiIndex) -> Tensor:
        return jet[:, plan.index[alpha], f]

    return Side(points, tuple(Field(str(f), names, partial(lookup, f)) for f in range(jet.shape[2])))


def plan_of(block: Block, dimension: int) -> JetPlan:
    """Return the plan of the partials that a block needs of any field."""
    return plan_with(dimension, frozenset().union(*block.partials.values()))


@lru_cache(maxsize=256)  # every placement of a block asks for it
def plan_with(dimension: int, partials: frozenset[MultiIndex]) -> JetPlan:
    """Return the plan of these partials."""
    return JetPlan(dimension, partials)


# Scales --------------------------------------------------------------------------------------------------------------


def sizes_of_terms(slopes: Sequence[Tensor], jet: Tensor) -> Tensor:
    """Return Σ_α |∂r/∂(∂^α u) ∂^α u| of every component at every point, (components, n)."""
    return torch.stack([(slope * jet).abs().sum(dim=(1, 2)) for slope in slopes])


def scale_of_equation(sizes: Tensor, weights: Tensor) -> Tensor:
    """Return the root mean square (components,) of the sizes (components, n) of terms that balance at every point."""
    return mean(sizes.square().T, weights).sqrt()


def scale_of_condition(slopes: Sequence[Tensor], typical: Tensor, weights: Tensor) -> Tensor:
    """Return Σ_α rms(∂r/∂(∂^α u)) rms(∂^α u), (components,), with the second rms (S, f) `typical` of the interior.

    The fields at the condition's own points are no measure, because the condition may make them small.
    """
    return torch.stack([(mean(slope.square(), weights).sqrt() * typical).sum() for slope in slopes])


def usable_scale(scale: Tensor, otherwise: Tensor) -> Tensor:
    """Return a scale where it is finite and positive, and `otherwise` elsewhere, because rows may have no terms."""
    return torch.where(torch.isfinite(scale) & (scale > 0), scale, otherwise)


def size_of_functions(block: Block, constants: Mapping[str, Tensor]) -> float:
    """Return the root mean square of the coefficients k[j] of a block's unknown functions k; 1 if there are none."""
    found = [value.detach() for name, value in constants.items() if name.partition("[")[0] in block.functions]
    return float(torch.stack(found).square().mean().sqrt()) or 1.0 if found else 1.0


def row_factors(weights: Tensor, scale: Tensor) -> Tensor:
    """Return √w_n / s_c, (components, n), the factors by which the rows' squares add up to the loss."""
    return weights.sqrt() / scale[:, None]


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over the points, (n, ...) -> (...)."""
    return ((weights / weights.sum()).to(values.dtype) @ values.flatten(1)).view(values.shape[1:])
