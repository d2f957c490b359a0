"""Evolutions that are periodic along all axes in space: JᵀJ by the discrete Fourier transform.

On equidistant knots the periodic B-splines of an axis are translations of one of them, so that every matrix
∫ B_i^{(m)} B_j^{(n)} is circulant, and the transform diagonalises it. An equation with constant slopes then has, for
every wave number, one small matrix of all fields and polynomials in time. Slopes that vary are replaced by their means
over space, at every time. That preconditions conjugate gradients, whose number of iterations does not depend on the
number of knots. The means of the products of slopes would give a circulant matrix nearer to JᵀJ (T. Chan, SIAM J. Sci.
Stat. Comput. 9 (1988) 766), but not one of the form J̄ᵀJ̄, and so a far worse inverse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from kanpde.marching.axes import SplineAxis, gauss_weights
from kanpde.marching.iteration import WORTH, operations
from kanpde.marching.linearisation import Slopes, TensorLinearisation
from kanpde.marching.separable.tensor_grid import Orders
from kanpde.marching.system import System
from kanpde.marching.task import MarchTask
from kanpde.marching.tensor_product import OnGrid
from kanpde.optim.cgls import conjugate_gradients
from kanpde.optim.least_squares import Step

ITERATIONS = 100  # largest number of iterations of a step
TOLERANCE = 1e-10  # they end at this share of the gradient's norm if one step solves the problem,
INEXACT = 1e-5  # at this one if others follow, because the equation is not linear,
SHARE = 1e-3  # or if their error changes the residual by no more than this share of it
FIRST_JUDGED = 25  # iteration from which their rate is judged: in a long slab the gradient grows at first
DELAY = 4  # last iterations that show this error, because the means of slopes differ from the slopes
FAILED = 1e-2  # share of the gradient's norm that is left if they have failed
# Weight of the initial values. If they may be missed, a slope that varies in space changes what a unit of them costs;
# else it changes what one of the equation costs in the length of a slab, which is little.
FIRM = 100.0
EACH = 4e6  # operations of a step for each unknown
LEAST = 1e-14  # shift of the eigenvalues, relative to the largest one of a wave number


class Circulant:
    """The circulant matrix nearest to JᵀJ of a linearised system: for every wave number a matrix in time and fields."""

    def __init__(self, system: System, linear: TensorLinearisation, time: int) -> None:
        self._axes, self._time, self._fields = system.space.axes, time, len(system.fields)
        self._space = [a for a in range(len(self._axes)) if a != time]
        grid = system.pieces[system.equations[0]].images[0].parts[0]
        assert isinstance(grid, OnGrid)
        self._lines = grid.lines
        self._known: dict[tuple[int, int, int], Tensor] = {}
        self.shift = torch.zeros(system.size, dtype=torch.float64)
        in_time: dict[tuple[Orders, Orders], Tensor] = {}
        means: dict[tuple[Orders, Orders], Tensor] = {}
        for piece, slopes in zip(system.pieces, linear.slopes, strict=True):
            if piece.placed.sums is not None:
                self._add(means, piece.images[0].parts, slopes, integrals=True)
            elif len(piece.images) == 1:  # the rows of periodic conditions are zero
                self._add(in_time, piece.images[0].parts, slopes)
        symbols = torch.stack([self._symbol(*orders) for orders in in_time], dim=1)
        total = symbols @ torch.stack([*in_time.values()]).flatten(1).to(symbols.dtype)
        total = total.view(len(symbols), *next(iter(in_time.values())).shape)
        # Integrals over space have the constant wave alone; its function is 1 where all coefficients are.
        flat = (0,) * len(self._space)
        if (flat, flat) in means:
            total[0] += means[flat, flat] / math.prod(self._axes[a].size for a in self._space)
        diagonal = total.diagonal(dim1=1, dim2=2).real.amax(dim=1)
        total.diagonal(dim1=1, dim2=2).add_(LEAST * diagonal[:, None])
        if not total.imag.any():  # no derivatives of odd order
            total = total.real.contiguous()
        factor, failed = torch.linalg.cholesky_ex(total)
        self.definite = not bool(failed.any())
        # Products with many small matrices are faster than solutions, which are made one after another.
        unit = torch.eye(factor.shape[1], dtype=factor.dtype).expand_as(factor)
        self._inverse = torch.linalg.solve_triangular(factor, unit, upper=False)

    def _add(
        self,
        in_time: dict[tuple[Orders, Orders], Tensor],
        parts: Sequence[object],
        slopes: Slopes,
        *,
        integrals: bool = False,
    ) -> None:
        """Add a block's matrices in time, by the orders in space of the two partials that they multiply.

        If its rows are `integrals` over space, the slopes have the weights of the points.
        """
        (grid,) = parts
        assert isinstance(grid, OnGrid)
        shape = [len(line.columns) for line in grid.lines]
        roots = torch.ones(1, dtype=torch.float64)
        for a in self._space:
            roots = (roots[:, None] * torch.from_numpy(gauss_weights(self._axes[a])).sqrt()).flatten()
        by_jets = slopes.by_jets[0]
        roots = torch.ones_like(roots) if integrals else roots
        rows = by_jets.reshape(len(by_jets), *shape, *by_jets.shape[2:]).movedim(1 + self._time, 1)
        means = (rows.flatten(2, -3) * roots[:, None, None]).sum(dim=2)  # (c, t, S, f)
        moments = torch.einsum("ctsf,ctrg->tsfrg", means, means)
        functions = grid.lines[self._time].matrices
        for (s, one), (r, other) in product(enumerate(grid.orders), repeat=2):
            each = moments[:, s, :, r, :]
            if not each.any():
                continue
            left, right = functions[one[self._time]], functions[other[self._time]]
            matrix = torch.einsum("tj,tfg,tk->jfkg", left, each, right).flatten(2).flatten(0, 1)
            key = tuple(one[a] for a in self._space), tuple(other[a] for a in self._space)
            in_time[key] = in_time[key] + matrix if key in in_time else matrix

    def _symbol(self, one: Orders, other: Orders) -> Tensor:
        """Return the eigenvalues (wave numbers,) of Π_a ∫ B^{(m_a)} B^{(n_a)}, for half of the last axis's waves."""
        total = torch.ones(1, dtype=torch.complex128)
        for a, m, n in zip(self._space, one, other, strict=True):
            values = torch.fft.fft(self._circulant(a, m, n))
            # The matrix is symmetric or antisymmetric.
            values = 1j * values.imag if (m + n) % 2 else values.real.to(values.dtype)
            if a == self._space[-1]:
                values = values[: len(values) // 2 + 1]
            total = (total[:, None] * values).flatten()
        return total

    def _circulant(self, a: int, m: int, n: int) -> Tensor:
        """Return the first column (size,) of ∫ B_i^{(m)} B_j^{(n)} along an axis."""
        axis = self._axes[a]
        key = a, m, n
        if key not in self._known:
            matrices = self._lines[a].matrices
            weights = torch.from_numpy(gauss_weights(axis))
            self._known[key] = matrices[m].T @ (weights * matrices[n][:, 0])
        return self._known[key]

    def solve(self, right: Tensor) -> Tensor:
        """Return the solution of the circulant system, (P,)."""
        shape = [axis.size for axis in self._axes]
        array = right.view(*shape, self._fields).movedim(self._time, -2)
        sizes = array.shape[:-2]
        waves = torch.fft.rfftn(array, dim=tuple(range(len(sizes))))
        found = torch.fft.irfftn(self._solved(waves), s=tuple(sizes), dim=tuple(range(len(sizes))))
        after: Tensor = found.movedim(-2, self._time).reshape(-1)
        return after

    def _solved(self, waves: Tensor) -> Tensor:
        """Return the solution for every wave number."""
        each = waves.reshape(len(self._inverse), -1, 1)
        if self._inverse.is_complex():
            found: Tensor = self._inverse.mH @ (self._inverse @ each)
        else:  # the real and the imaginary part are solved side by side, (waves, n, 2)
            found = torch.view_as_complex(self._inverse.mT @ (self._inverse @ torch.view_as_real(each).squeeze(-2)))
        return found.view(waves.shape)


def iterated(task: MarchTask, axes: Sequence[SplineAxis]) -> bool:
    """Return True if an attempt with these spline axes is solved by this iteration."""
    large = operations(task, axes) > WORTH or not task.factorable(axes)
    return task.most_iterated > 0 and large and task.periodic


def cost(task: MarchTask, axes: Sequence[SplineAxis]) -> float:
    """Return an estimate of the operations of a step, by a factor or by this iteration."""
    return EACH * task.unknowns_of(axes) if iterated(task, axes) else operations(task, axes)


@dataclass(frozen=True, eq=False)
class Taken:
    """A Gauss–Newton step of relative size `moved`, and the number of iterations."""

    step: Step
    moved: float
    iterations: int


def take_step(task: MarchTask, vector: Tensor, system: System) -> Taken:
    """Return a Gauss–Newton step from a vector; it is not accepted if the iteration did not converge."""
    scales, starts = system.scales, {block.name for block in task.joins}
    system.scale([piece.scale / (FIRM if piece.placed.block.name in starts else 1.0) for piece in system.pieces])
    taken = _step(task, vector, system)
    system.scale(scales)
    return taken


def _step(task: MarchTask, before: Tensor, system: System) -> Taken:
    """Return the step that minimises the rows as they are scaled.

    A step that is not the last one is inexact (Eisenstat, Walker, SIAM J. Sci. Comput. 17 (1996) 16).
    """
    linear = system.linearise(before)
    factor = Circulant(system, linear, task.time)
    loss = float(linear.residual.square().sum())
    failed = Step(before, loss, False, loss)
    if not factor.definite:
        return Taken(failed, 0.0, 0)
    tolerance = TOLERANCE if task.linear else INEXACT
    found = conjugate_gradients(linear, factor, ITERATIONS, tolerance, SHARE, delay=DELAY, first_judged=FIRST_JUDGED)
    after = before + found.step
    expected, reached = (float(rows.square().sum()) for rows in (linear.residual + found.image, system.residual(after)))
    if not (found.close or found.left <= FAILED) or not reached < loss:
        return Taken(failed, 0.0, found.iterations)
    # Only a step that minimises the linear model shows which residual the space has.
    minimal = found.left <= TOLERANCE or found.error <= SHARE * math.sqrt(expected)
    ratio = (loss - reached) / (loss - expected) if loss > expected and minimal else 0.0
    return Taken(Step(after, reached, True, loss, 0.0, ratio), system.moved(before, after), found.iterations)
