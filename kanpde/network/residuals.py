"""The least-squares problem: every block's rows at its points, scaled and weighted, and their Jacobian.

    loss(θ) = Σ_b w_b mean_n w_bn (r_bn(θ) / s_b)²

with w_b the user's weight and s_b the size of the block's own terms, rms_n Σ_α |∂r/∂(∂^α u) ∂^α u|. A residual is
relative to its terms, so the square root of the loss estimates a relative (backward) error and needs no tuning. The
weights w_bn of the equation's points decrease with the size of the terms there, so that a steep front, where all terms
are large, does not outweigh the rest. Both are multiplied by the weights of a rule of `weighting`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.calculus import processes
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.rows import (
    Placed,
    Slope,
    Sums,
    TrialFunction,
    mean,
    scale_of_condition,
    scale_of_equation,
    size_of_functions,
    sizes_of_terms,
    usable_scale,
)
from kanpde.collocation.sampling import samples
from kanpde.geometry.domain import Domain
from kanpde.network.block_points import BlockPoints, Chunk
from kanpde.network.known_rows import KnownRows, Linear, times
from kanpde.optim.least_squares import Linearisation
from kanpde.problem.block import Block

# The number of points that pass through the network together, a compromise between busy cores and the cache.
CHUNK = 4096
# The number of entries above which a Jacobian is reduced to its triangular factor chunk by chunk.
LARGEST = 2**26
# The floor of the size of a point's terms, relative to their mean, in the weights of points.
LEAST_SIZE = 0.1


class ParametricFunction(TrialFunction, Protocol):
    """A trial function that owns its parameters, and computes the derivatives of its jets by them."""

    @property
    def names(self) -> tuple[str, ...]:
        """The unknown constants, which are the last parameters."""
        ...

    @property
    def size(self) -> int:
        """The number of parameters."""
        ...

    @property
    def vector(self) -> Tensor:
        """All parameters as one detached vector."""
        ...

    def assign(self, vector: Tensor) -> None:
        """Set all parameters from one vector."""
        ...

    def ordered(self) -> list[nn.Parameter]:
        """Return the parameters in the vector's order."""
        ...

    def prepare(self, points: Tensor, plan: JetPlan) -> Any:
        """Precompute the data at points (n, d) that do not depend on the parameters."""
        ...

    def taped(self, prepared: Any) -> tuple[Tensor, Any]:
        """Return the jets, with the tapes that `add_rows` needs."""
        ...

    def add_rows(self, prepared: Any, tapes: Any, adjoint: Tensor, rows: Tensor) -> None:
        """Add the per-point derivatives of Σ adjoint · jet to the first columns of `rows` (n, P)."""
        ...


class Residuals:
    """The rows of all blocks as a function of the parameter vector.

    If they are `shared`, every process evaluates a part of them, and all processes must call the same methods. A
    Jacobian with more than `kept` entries is never whole.
    """

    def __init__(
        self, model: ParametricFunction, blocks: Sequence[Block], names: tuple[str, ...], *, shared: bool = False
    ) -> None:
        self.model, self.names = model, names
        self._processes = processes.count() if shared else 1
        like = model.vector
        dimension = len(names)
        self.parts = [BlockPoints.of(block, dimension, like) for block in blocks]
        self._noted: Tensor | None = None
        self._known = KnownRows()
        self.kept: float = LARGEST

    @property
    def shared(self) -> bool:
        """True if other processes evaluate some of the rows."""
        return self._processes > 1

    def place(
        self,
        number: int,
        points: Tensor,
        index: Tensor | None,
        sums: Sums | None = None,
        shares: Tensor | None = None,
    ) -> None:
        """Put block `number` on these points, with a weight of each row (by default 1)."""
        self.parts[number] = self.placed(self.parts[number], points, index, sums, shares)

    def sample(self, domain: Domain, count: Callable[[Block], int], generator: np.random.Generator) -> None:
        """Put every block on `count(block)` quasi-random points."""
        blocks = [part.block for part in self.parts]
        for number, drawn in enumerate(samples(blocks, domain, count, generator)):
            self.place(number, *drawn.tensors(self.parts[number].points))

    def placed(
        self,
        part: BlockPoints,
        points: Tensor,
        index: Tensor | None,
        sums: Sums | None = None,
        shares: Tensor | None = None,
    ) -> BlockPoints:
        """Return the block on these points, with its scale unchanged."""
        if shares is None:
            shares = points.new_ones(len(points) if sums is None else sums.count)
        part = replace(part, points=points, index=index, sums=sums, shares=shares, weights=shares)
        moved = replace(part, attention=torch.ones_like(shares), chunks=self.chunks(part))
        if not part.level.isnan().any():
            self._balance(moved, self._sizes(moved))
        return moved

    def chunks(self, part: BlockPoints) -> list[Chunk]:
        """Return the points in chunks, with the network's data precomputed; an integral's points stay together."""
        if part.sums is not None:
            return [self._chunk(part, slice(None), 0, part.sums)]
        size = CHUNK
        if self.shared:  # as many chunks for each process, of equal lengths
            rounds = max(1, math.ceil(len(part.points) / (CHUNK * self._processes)))
            size = max(1, math.ceil(len(part.points) / (rounds * self._processes)))
        starts = range(0, max(1, len(part.points)), size)
        return [self._chunk(part, slice(start, start + size), start, None, k) for k, start in enumerate(starts)]

    def _chunk(self, part: BlockPoints, which: slice, start: int, sums: Sums | None = None, number: int = 0) -> Chunk:
        index = None if part.index is None else part.index[which]
        placed = Placed.at(part.block, self.names, part.points[which], index, sums, plan=part.plan)
        here = not self.shared or number % self._processes == processes.rank()
        images = placed.images if here else ()
        return Chunk(placed, tuple(self.model.prepare(image, part.plan) for image in images), start, here)

    @property
    def places(self) -> Tensor:
        """The points (n, d) of all blocks."""
        return torch.cat([part.points for part in self.parts])

    def forget(self) -> None:
        """Forget the rows that are kept, because the model is another one with the same parameters."""
        self._known.forget()

    def _values_of(self, part: BlockPoints) -> Tensor:
        """Return a block's own rows (components, n) at the model's parameters, from those that are kept if possible."""
        known = self._known.on(part.chunks, self.model.vector)
        return self.values(part.chunks) if known is None else known

    def values(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the block's own rows (components, n) on these chunks; without processes differentiable by autograd."""
        return self.total(torch.cat([self.own(chunk) for chunk in chunks], dim=1))

    def own(self, chunk: Chunk) -> Tensor:
        """Return the block's own rows (components, n) on a chunk, differentiable; zeros if another process has it."""
        if chunk.here:
            return chunk.placed.rows_of(self.model, chunk.prepared)
        return self.model.vector.new_zeros(len(chunk.placed.block.components), chunk.count)

    def total(self, values: Tensor) -> Tensor:
        """Return the sums over the processes that share the rows."""
        return processes.total(values) if self.shared else values

    def rows(self, *, noted: bool = False) -> Tensor:
        """Return all scaled and weighted rows, (N,), differentiable by autograd; note their `rms` if asked.

        Those that another process evaluates are zero.
        """
        pieces: list[Tensor] = []
        sizes = []
        for part in self.parts:
            own = [self.own(chunk) for chunk in part.chunks]
            pieces += [rows * part.row_factors(chunk) for rows, chunk in zip(own, part.chunks, strict=True)]
            if noted:
                sizes.append(torch.cat(own, dim=1).detach().square().mean())
        self._noted = self.total(torch.stack(sizes)).sqrt() if noted else self._noted
        return torch.cat([piece.reshape(-1) for piece in pieces])

    @property
    def noted(self) -> dict[str, float]:
        """`rms` at the last gradient, read only now because that waits for a GPU; empty before."""
        return {} if self._noted is None else self._by_name(self._noted)

    def _by_name(self, sizes: Tensor) -> dict[str, float]:
        return dict(zip((part.block.name for part in self.parts), sizes.tolist(), strict=True))

    # For optimisers ---------------------------------------------------------------------------------------------------

    def residual(self, vector: Tensor) -> Tensor:
        """Return the rows (N,) at a parameter vector."""
        self.model.assign(vector)
        with torch.no_grad():
            if self.shared:
                return self.total(self.rows())
            found = [(part.chunks, torch.cat([self.own(chunk) for chunk in part.chunks], dim=1)) for part in self.parts]
            self._known.keep(vector, found)
            pieces = []
            for part, (_, rows) in zip(self.parts, found, strict=True):
                shares = torch.split(rows, [chunk.count for chunk in part.chunks], dim=1)
                pieces += [each * part.row_factors(chunk) for each, chunk in zip(shares, part.chunks, strict=True)]
            return torch.cat([piece.reshape(-1) for piece in pieces])

    def gradient(self, vector: Tensor) -> tuple[float, Tensor]:
        """Return ‖r‖² and its gradient (P,) by autograd."""
        self.model.assign(vector)
        loss = self.rows(noted=True).square().sum()
        parameters = self.model.ordered()
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
        flat = [torch.zeros_like(p) if s is None else s for p, s in zip(parameters, slopes, strict=True)]
        found = self.total(torch.cat([loss.detach().reshape(1), *(s.reshape(-1) for s in flat)]))
        return float(found[0]), found[1:]

    @property
    def constants(self) -> int:
        """The number of the unknown constants, which are the last parameters."""
        return len(self.model.names)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the parameters in the vector, in its order."""
        return tuple(tuple(parameter.shape) for parameter in self.model.ordered())

    def linearise(self, vector: Tensor) -> Linearisation:
        """Return rows and Jacobian at a parameter vector."""
        count = sum(len(part.shares) * len(part.block.components) for part in self.parts)
        if count * self.model.size > self.kept or (self.shared and count > self.model.size):
            return Linearisation.streamed(lambda: self.chunks_of_rows(vector), self.model.size)
        jacobian = zero_rows(vector, count, self.model.size)
        residual = torch.cat([row for _, row in self.chunks_of_rows(vector, jacobian)])
        return Linearisation.whole(self.total(jacobian), residual)

    def chunks_of_rows(self, vector: Tensor, whole: Tensor | None = None) -> Iterator[tuple[Tensor | None, Tensor]]:
        """Yield (Jacobian, rows) of every component of every chunk at a parameter vector, in the order of `rows`.

        If `whole`, filled with zeros, is given, the Jacobians are parts of it, so that memory is touched once. If the
        rows are shared, the Jacobian is None where another process has it, and in a last chunk without rows.
        """
        known = self.residual(vector) if self.shared else None
        self.model.assign(vector)
        start = 0
        for part in self.parts:
            for chunk in part.chunks:
                size = chunk.count * len(part.block.components)
                if chunk.here:
                    room = zero_rows(vector, size, self.model.size) if whole is None else whole[start : start + size]
                    yield from self._linear(part, chunk, room)
                elif known is not None:
                    yield None, known[start : start + size]
                start += size
        if known is not None:
            yield None, known[:0]

    def _linear(self, part: BlockPoints, chunk: Chunk, room: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (Jacobian (n, P), rows (n,)) of every component of one chunk, each times its factor; J is in `room`."""
        taped, rows, slopes = self._known.take_linear(chunk, self.model.ordered()) or self._linear_at(chunk)
        factors = part.row_factors(chunk)
        for component, (row, slope) in enumerate(zip(rows * factors, slopes, strict=True)):
            jacobian = room[component * chunk.count : (component + 1) * chunk.count]
            self._fill(jacobian, chunk, [tape for _, tape in taped], times(slope, factors[component], chunk.placed))
            yield jacobian, row

    def _linear_at(self, chunk: Chunk) -> Linear:
        """Return the jets and tapes, the own rows and their slopes on a chunk."""
        with torch.no_grad():
            taped = [self.model.taped(prepared) for prepared in chunk.prepared]
        rows, slopes = chunk.placed.slopes([jet for jet, _ in taped], self.model.unknowns)
        return taped, rows, list(slopes)

    def _fill(self, jacobian: Tensor, chunk: Chunk, tapes: Sequence[Any], slope: Slope) -> None:
        """Add the pullback of a slope to a Jacobian (rows, P)."""
        sums = chunk.placed.sums
        with torch.no_grad():
            at_points = jacobian if sums is None else zero_rows(jacobian, len(sums.group), self.model.size)
            for prepared, tape, adjoint in zip(chunk.prepared, tapes, slope.by_jets, strict=True):
                self.model.add_rows(prepared, tape, adjoint, at_points)
            if sums is not None:
                jacobian += sums.added(at_points, 0)
            jacobian[:, self.model.size - len(self.model.names) :] = slope.by_unknowns

    # For training -----------------------------------------------------------------------------------------------------

    def rms(self) -> dict[str, float]:
        """Return the root mean square of every block's own rows, over its components too."""
        with torch.no_grad():
            return self._by_name(torch.stack([rms_of(self._values_of(p)) for p in self.parts]))

    def squares(self, part: BlockPoints) -> Tensor:
        """Return the squared, scaled and weighted rows summed over components, (n,), whose mean is in the loss."""
        with torch.no_grad():
            rows = self._values_of(part) / part.scale[:, None]
            return part.emphasis * part.weights * part.attention * rows.square().sum(dim=0)

    def rescale(self, *, balanced: bool) -> None:
        """Measure the size of every block's terms, and divide its rows by it; weigh points too if `balanced`."""
        if balanced:
            self.balance()
        for part in self.parts:
            otherwise = size_of_functions(part.block, self.model.unknowns) * torch.ones_like(part.scale)
            part.scale = usable_scale(self.sizes_of_terms(part), otherwise)

    def balance(self) -> None:
        """Measure the equation's terms again, and weigh its points by them."""
        part = self.parts[0]
        sizes = self._sizes(part)
        part.level = mean(sizes.T, part.shares)
        self._balance(part, sizes)

    def _balance(self, part: BlockPoints, sizes: Tensor) -> None:
        """Set w_n = share / (mean_c size_cn / level_c + a floor), so that relative errors count equally everywhere."""
        weights = part.shares / ((sizes / part.level[:, None]).mean(dim=0) + LEAST_SIZE)
        part.weights = torch.where(weights.isfinite(), weights, part.shares)

    def _sizes(self, part: BlockPoints) -> Tensor:
        """Return Σ_α |∂r/∂(∂^α u) ∂^α u| of every component at every point, (components, n)."""
        pieces = []
        for chunk in part.chunks:
            points = len(chunk.placed.images[0])
            none = self.model.vector.new_zeros(len(part.block.components), points)
            pieces.append(self._sizes_on(chunk) if chunk.here else none)
        return self.total(torch.cat(pieces, dim=1))

    def _sizes_on(self, chunk: Chunk) -> Tensor:
        """Return the same on a chunk."""
        taped, _, slopes = found = self._linear_at(chunk)
        self._known.keep_linear(chunk, self.model.ordered(), found)  # the next step linearises at the same points
        return sizes_of_terms([slope.by_jets[0] for slope in slopes], taped[0][0].detach())

    def sizes_of_terms(self, part: BlockPoints) -> Tensor:
        """Return s_b of every component, Σ_α rms(∂r/∂(∂^α u)) rms(∂^α u), with the points' weights in the means.

        The first mean is over the block's points, the second over the equation's. The equation itself has rms_n Σ_α
        |∂r/∂(∂^α u) ∂^α u|, with both factors at the same point, because its terms balance there.
        """
        if part.block.kind == "residual":
            return scale_of_equation(self._sizes(part), part.weights)
        interior = self.parts[0]
        with torch.no_grad():
            there = self.model.jets(self.model.prepare(interior.points, part.plan))
        typical = mean(there.square(), interior.weights).sqrt()
        alone = Residuals(self.model, [part.block], self.names) if self.shared else self
        slopes, _ = self.slopes(part, alone.chunks(part) if self.shared else part.chunks)
        sizes = [slope if part.sums is None else part.sums.added(slope.abs(), 0) for slope in slopes]
        return scale_of_condition(sizes, typical, part.weights)

    def slopes(self, part: BlockPoints, chunks: Sequence[Chunk] | None = None) -> tuple[list[Tensor], Tensor]:
        """Return ∂r/∂jet of every component and the jets, both (n, S, fields), at the first image of every point."""
        slopes: list[list[Tensor]] = [[] for _ in part.block.components]
        jets = []
        for chunk in part.chunks if chunks is None else chunks:
            with torch.no_grad():
                here = [self.model.jets(prepared) for prepared in chunk.prepared]
            for component, slope in enumerate(chunk.placed.slopes(here, self.model.unknowns)[1]):
                slopes[component].append(slope.by_jets[0])
            jets.append(here[0])
        return [torch.cat(each) for each in slopes], torch.cat(jets)


def zero_rows(like: Tensor, count: int, size: int) -> Tensor:
    """Return zeros (count, size) whose columns are contiguous, as the rows of networks are."""
    return like.new_zeros(size, count).T


def rms_of(rows: Tensor) -> Tensor:
    """Return the root mean square of all entries, a scalar."""
    return rows.square().mean().sqrt()
