"""The least-squares problem: every block's rows at its points, scaled and weighted, and their Jacobian.

    loss(θ) = Σ_b w_b mean_n w_bn (r_bn(θ) / s_b)²

with w_b the user's weight and s_b the size of the block's own terms, rms_n Σ_α |∂r/∂(∂^α u) ∂^α u|: a residual is
measured against what it is the difference of, so the square root of the loss estimates a relative (backward) error and
needs no tuning. The weights w_bn of the equation's points fall with the size of the terms there, so that a steep front,
where all terms are large, does not outweigh the rest. Both are multiplied by what a rule of `weighting` finds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.network.layer import Tape
from kanpde.network.trial_function import Model, Prepared
from kanpde.optim.least_squares import Linearisation
from kanpde.problem.block import Block, Side
from kanpde.problem.field import Field

# Points that pass through the network together: enough to keep the cores busy, few enough to stay in the cache.
CHUNK = 4096
# A Jacobian of more entries than this is folded into its triangular factor chunk by chunk.
LARGEST = 2**26
# The floor of a point's size of terms, relative to their mean, in the weights of points.
LEAST_SIZE = 0.1


@dataclass(frozen=True)
class Chunk:
    """Some points of a block, from number `start` on: the images, what is prepared at each, and the index."""

    images: tuple[Tensor, ...]
    prepared: tuple[Prepared, ...]
    index: Tensor | None
    start: int

    @property
    def count(self) -> int:
        return self.images[0].shape[0]


@dataclass
class BlockPoints:
    """A block with its points, ready for evaluation, and what its rows are scaled by.

    `shares` (n,) are weights given from outside and `weights` these, balanced; `scale` and `level` (components,) are
    the size of the terms and, of the equation's, their mean, NaN before it has been measured. `emphasis`, of the block,
    and `attention` (n,), of its points, multiply these weights; their means are 1.
    """

    block: Block
    plan: JetPlan
    points: Tensor
    index: Tensor | None
    shares: Tensor
    weights: Tensor
    scale: Tensor
    level: Tensor
    attention: Tensor
    emphasis: float = 1.0
    chunks: list[Chunk] = field(default_factory=list)

    @classmethod
    def of(cls, block: Block, dimension: int, like: Tensor) -> BlockPoints:
        """A block without points yet."""
        none, each = like.new_zeros(0), like.new_ones(len(block.components))
        points = like.new_zeros(0, dimension)
        return cls(block, plan_of(block, dimension), points, None, none, none, each, torch.nan * each, none)

    def row_factors(self, chunk: Chunk) -> Tensor:
        """(components, n): what every row of a chunk is multiplied by."""
        common = math.sqrt(self.block.weight * self.emphasis / len(self.points)) / self.scale
        there = slice(chunk.start, chunk.start + chunk.count)
        return common[:, None] * (self.weights[there] * self.attention[there]).sqrt()


class Residuals:
    """The rows of all blocks as a function of the parameter vector."""

    def __init__(self, model: Model, blocks: Sequence[Block], names: tuple[str, ...]) -> None:
        self.model, self.names = model, names
        like = model.vector
        dimension = len(names)
        self.parts = [BlockPoints.of(block, dimension, like) for block in blocks]

    def place(self, number: int, points: Tensor, index: Tensor | None, shares: Tensor | None = None) -> None:
        """Put block `number` on these points, each with a weight of its own (1 unless given)."""
        self.parts[number] = self.placed(self.parts[number], points, index, shares)

    def placed(
        self, part: BlockPoints, points: Tensor, index: Tensor | None, shares: Tensor | None = None
    ) -> BlockPoints:
        """The block on these points, its scale as it is."""
        shares = torch.ones_like(points[:, 0]) if shares is None else shares
        chunks = self.chunks(part, points, index)
        each = torch.ones_like(shares)
        moved = replace(part, points=points, index=index, shares=shares, weights=shares, attention=each, chunks=chunks)
        if not part.level.isnan().any():
            self._balance(moved, self._sizes(moved))
        return moved

    def chunks(self, part: BlockPoints, points: Tensor, index: Tensor | None) -> list[Chunk]:
        """The points in pieces, each prepared."""
        pieces = torch.split(points, CHUNK)
        indices: Sequence[Tensor | None] = [None] * len(pieces) if index is None else torch.split(index, CHUNK)
        result = []
        for number, (piece, which) in enumerate(zip(pieces, indices, strict=True)):
            images = part.block.images(piece)
            prepared = tuple(self.model.prepare(image, part.plan) for image in images)
            result.append(Chunk(images, prepared, which, number * CHUNK))
        return result

    def raw(
        self, part: BlockPoints, chunk: Chunk, jets: Sequence[Tensor], unknowns: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """The block's own rows (components, n) from the jets at each image."""
        sides = tuple(side(p, jet, part.plan, self.names) for p, jet in zip(chunk.images, jets, strict=True))
        return part.block.evaluate(sides, chunk.index, self.model.unknowns if unknowns is None else unknowns)

    def values(self, part: BlockPoints, chunks: Sequence[Chunk]) -> Tensor:
        """The block's own rows (components, n) on these chunks; differentiable by autograd."""
        return torch.cat([self.raw(part, c, [self.model.jets(p) for p in c.prepared]) for c in chunks], dim=1)

    def rows(self) -> Tensor:
        """All scaled and weighted rows, (N,); differentiable by autograd."""
        pieces = [self.values(part, [chunk]) * part.row_factors(chunk) for part in self.parts for chunk in part.chunks]
        return torch.cat([piece.reshape(-1) for piece in pieces])

    # What optimisers ask for ------------------------------------------------------------------------------------------

    def residual(self, vector: Tensor) -> Tensor:
        """The rows (N,) at a parameter vector."""
        self.model.assign(vector)
        with torch.no_grad():
            return self.rows()

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """‖r‖² and its gradient (P,) by autograd."""
        self.model.assign(vector)
        loss = self.rows().square().sum()
        parameters = self.model.ordered()
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
        flat = [torch.zeros_like(p) if s is None else s for p, s in zip(parameters, slopes, strict=True)]
        return float(loss.detach()), torch.cat([s.reshape(-1) for s in flat])

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the parameters that the vector is made of, in its order."""
        return tuple(tuple(parameter.shape) for parameter in self.model.ordered())

    def linearise(self, vector: Tensor) -> Linearisation:
        """Rows and Jacobian at a parameter vector."""
        count = sum(len(part.points) * len(part.block.components) for part in self.parts)
        if count * self.model.size > LARGEST:
            return Linearisation.streamed(lambda: self.chunks_of_rows(vector), self.model.size)
        jacobian = vector.new_zeros(count, self.model.size)
        residual = torch.cat([row for _, row in self.chunks_of_rows(vector, jacobian)])
        return Linearisation.whole(jacobian, residual)

    def chunks_of_rows(self, vector: Tensor, whole: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """(Jacobian, rows) of every component of every chunk at a parameter vector, in the order of `rows`.

        The Jacobians are parts of `whole`, which is zero, where it is given: memory is touched once.
        """
        self.model.assign(vector)
        start = 0
        for part in self.parts:
            for chunk in part.chunks:
                size = chunk.count * len(part.block.components)
                room = vector.new_zeros(size, self.model.size) if whole is None else whole[start : start + size]
                yield from self._linear(part, chunk, room)
                start += size

    def _linear(self, part: BlockPoints, chunk: Chunk, room: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """(Jacobian (n, P), rows (n,)) of every component of one chunk, each times its factor; J in `room`."""
        with torch.no_grad():
            taped = [self.model.taped(prepared) for prepared in chunk.prepared]
        jets = [jet.detach().requires_grad_() for jet, _ in taped]
        # One copy of every unknown for each point, so that its derivative comes out point by point.
        unknowns = {
            name: value.detach().expand(chunk.count).clone().requires_grad_()
            for name, value in self.model.unknowns.items()
        }
        values = self.raw(part, chunk, jets, unknowns) * part.row_factors(chunk)
        inputs = [*jets, *unknowns.values()]
        for component, row in enumerate(values):
            last = component == len(values) - 1
            adjoints = torch.autograd.grad(row.sum(), inputs, retain_graph=not last, allow_unused=True)
            jacobian = room[component * chunk.count : (component + 1) * chunk.count]
            self._fill(jacobian, chunk, [tape for _, tape in taped], adjoints)
            yield jacobian, row.detach()

    def _fill(
        self, jacobian: Tensor, chunk: Chunk, tapes: Sequence[list[Tape]], adjoints: Sequence[Tensor | None]
    ) -> None:
        """Add to a Jacobian (n, P) what pulling the adjoints back gives."""
        with torch.no_grad():
            for prepared, tape, adjoint in zip(chunk.prepared, tapes, adjoints, strict=False):
                if adjoint is not None:
                    self.model.add_rows(prepared, tape, adjoint, jacobian)
            for column, adjoint in enumerate(adjoints[len(tapes) :], start=self.model.size - len(self.model.names)):
                if adjoint is not None:
                    jacobian[:, column] = adjoint

    # What training asks for -------------------------------------------------------------------------------------------

    def rms(self) -> dict[str, float]:
        """The root mean square of every block's own rows, over its components too."""
        with torch.no_grad():
            return {p.block.name: float(self.values(p, p.chunks).square().mean().sqrt()) for p in self.parts}

    def squares(self, part: BlockPoints) -> Tensor:
        """The squared, scaled and weighted rows summed over components, (n,); the loss has their mean."""
        with torch.no_grad():
            rows = self.values(part, part.chunks) / part.scale[:, None]
            return part.emphasis * part.weights * part.attention * rows.square().sum(dim=0)

    def balance(self) -> None:
        """Measure the equation's terms anew, and weigh its points by them."""
        part = self.parts[0]
        sizes = self._sizes(part)
        part.level = mean(sizes.T, part.shares)
        self._balance(part, sizes)

    def _balance(self, part: BlockPoints, sizes: Tensor) -> None:
        """w_n = share / (mean_c size_cn / level_c + a floor): an error of the terms counts alike wherever it is."""
        weights = part.shares / ((sizes / part.level[:, None]).mean(dim=0) + LEAST_SIZE)
        part.weights = torch.where(weights.isfinite(), weights, part.shares)

    def _sizes(self, part: BlockPoints) -> Tensor:
        """Σ_α |∂r/∂(∂^α u) ∂^α u| of every component at every point, (components, n)."""
        slopes, jets = self._slopes(part)
        return torch.stack([(slope * jets).abs().sum(dim=(1, 2)) for slope in slopes])

    def sizes_of_terms(self, part: BlockPoints) -> Tensor:
        """s_b of every component: Σ_α rms(∂r/∂(∂^α u)) rms(∂^α u), means weighted as the points are.

        The first mean is over the block's points, the second over the equation's. For the equation both are taken at
        the same points, rms_n Σ_α |∂r/∂(∂^α u) ∂^α u|, because there its terms balance.
        """
        if part.block.kind == "residual":
            return mean(self._sizes(part).T.square(), part.weights).sqrt()
        interior = self.parts[0]
        with torch.no_grad():
            there = self.model.jets(self.model.prepare(interior.points, part.plan))
        typical = mean(there.square(), interior.weights).sqrt()
        slopes, _ = self._slopes(part)
        return torch.stack([(mean(slope.square(), part.weights).sqrt() * typical).sum() for slope in slopes])

    def _slopes(self, part: BlockPoints) -> tuple[list[Tensor], Tensor]:
        """∂r/∂jet of every component and the jets, both (n, S, fields), at the first image of every point."""
        slopes: list[list[Tensor]] = [[] for _ in part.block.components]
        jets = []
        for chunk in part.chunks:
            with torch.no_grad():
                leaves = [self.model.jets(prepared) for prepared in chunk.prepared]
            leaves = [leaf.requires_grad_() for leaf in leaves]
            for component, row in enumerate(self.raw(part, chunk, leaves)):
                (slope,) = torch.autograd.grad(row.sum(), leaves[:1], retain_graph=True, allow_unused=True)
                slopes[component].append(torch.zeros_like(leaves[0]) if slope is None else slope)
            jets.append(leaves[0].detach())
        return [torch.cat(s) for s in slopes], torch.cat(jets)


def side(points: Tensor, jet: Tensor, plan: JetPlan, names: tuple[str, ...]) -> Side:
    """The fields at points, which look their partials up in a jet (n, S, fields)."""
    fields = (
        Field(str(f), names, lambda partial, f=f: jet[:, plan.index[partial], f])  # type: ignore[misc]
        for f in range(jet.shape[2])
    )
    return Side(points, tuple(fields))


def plan_of(block: Block, dimension: int) -> JetPlan:
    """The partials that a block needs of any field."""
    return JetPlan(dimension, frozenset().union(*block.partials.values()))


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean over the points, (n, ...) -> (...)."""
    share = (weights / weights.sum()).view(-1, *(1 for _ in values.shape[1:]))
    return (share * values).sum(dim=0)
