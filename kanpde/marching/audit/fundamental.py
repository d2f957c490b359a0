"""Numerical fundamental matrices on cells, and the inequality for errors that they give.

The theorem is in `kanpde.symbolic.proof.ordinary`. Matrices of Taylor models are lists of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.polynomial import chebyshev

from kanpde.calculus.arrays import Array
from kanpde.calculus.precision import TINY, UNIT, floats
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.network.enclosure import derivative
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem

DEGREE = 16  # of the polynomials in fundamental matrices
ITERATIONS = 60  # of the inequality
SETTLED, INFLATED = 1e-10, 1.001  # relative growth at which they end, and by how much the result is enlarged

Matrix = list[list[TaylorModel]]


def values_at(model: TaylorModel, places: Array) -> Array:
    """Return the polynomials (cells, places), without their errors."""
    powers = places ** np.arange(model.degrees[0])[:, None]
    return np.asarray(floats(model.coefficients)[0] @ powers)


def spectral_radius(matrix: Matrix) -> Array:
    """Return about the fastest growth that any matrix of these absolute entries allows, on every cell."""
    return np.asarray(np.abs(np.linalg.eigvals(matrix_bound(matrix))).max(axis=1))


def matrix_bound(matrix: Matrix) -> Array:
    """Return bounds of the entries on every cell, (cells, n, n)."""
    bounds = [[entry.close_bound for entry in row] for row in matrix]
    cells = max(bound.shape[0] for row in bounds for bound in row)
    return np.stack([np.stack([np.broadcast_to(b, cells) for b in row], axis=-1) for row in bounds], axis=-2)


def matrix_product(left: Matrix, right: Matrix) -> Matrix:
    """Return the product of two matrices."""
    return [
        [_sum([a * row[j] for a, row in zip(own, right, strict=True)]) for j in range(len(right[0]))] for own in left
    ]


def _sum(models: Sequence[TaylorModel]) -> TaylorModel:
    total = models[0]
    for model in models[1:]:
        total = total + model
    return total


def scaled_derivative(matrix: Matrix, half: Array) -> Matrix:
    """Return the derivative of polynomials without errors on cells of half widths `half`."""
    zero = np.zeros_like(half)[:, None]
    return [
        [derivative(entry.coefficients, zero + 0 * entry.coefficients, half, 1, 0, 1) for entry in row]
        for row in matrix
    ]


def fundamental(jacobian: Matrix, half: Array) -> tuple[Matrix, Matrix]:
    """Return polynomials Z and Y that nearly solve Z' = −Z A and Y' = A Y, with Z = Y = 1 at the low ends of cells."""
    nodes = -np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
    size = len(jacobian)
    at = np.zeros((len(half), DEGREE + 1, size, size))
    for i, row in enumerate(jacobian):
        for j, entry in enumerate(row):
            at[:, :, i, j] = values_at(entry, nodes)
    at *= half[:, None, None, None]
    forward = _collocated(at, nodes)
    adjoint = np.swapaxes(_collocated(-np.swapaxes(at, 2, 3), nodes), 2, 3)
    return _models(adjoint), _models(forward)


def _collocated(at: Array, nodes: Array) -> Array:
    """Return coefficients (cells, powers, n, n) of polynomials X with X' = G X at `nodes` and X = 1 at the first."""
    cells, count, size, _ = at.shape
    polynomials = np.eye(count)
    vandermonde = np.stack([chebyshev.chebval(nodes, c) for c in polynomials], axis=1)
    slopes = np.stack([chebyshev.chebval(nodes, chebyshev.chebder(c)) for c in polynomials], axis=1)
    system = slopes[None, :, None, :, None] * np.eye(size)[:, None, :] - np.einsum("cqij,qp->cqipj", at, vandermonde)
    system[:, 0] = vandermonde[0][:, None] * np.eye(size)[:, None, :]
    right = np.zeros((count, size, size))
    right[0] = np.eye(size)
    solved = np.linalg.solve(system.reshape(cells, count * size, -1), right.reshape(count * size, size))
    powers = np.stack([np.pad(p := chebyshev.cheb2poly(c), (0, count - len(p))) for c in polynomials], axis=1)
    return np.asarray(np.einsum("pq,cqij->cpij", powers, solved.reshape(cells, count, size, size)))


def _models(coefficients: Array) -> Matrix:
    _, _, size, _ = coefficients.shape
    zero = np.zeros(len(coefficients))
    return [
        [TaylorModel(np.ascontiguousarray(coefficients[:, :, i, j]), zero) for j in range(size)] for i in range(size)
    ]


def at_ends(matrix: Matrix, side: int) -> tuple[Array, Array]:
    """Return polynomials without errors at one end of every cell, (cells, n, n), and bounds of the rounding errors."""
    size = len(matrix)
    values = [[(e.coefficients * np.sign(side) ** np.arange(e.degrees[0])).sum(axis=1) for e in row] for row in matrix]
    sizes = [[np.abs(e.coefficients).sum(axis=1) for e in row] for row in matrix]
    found, rounding = (np.moveaxis(np.array(each), -1, 0).reshape(-1, size, size) for each in (values, sizes))
    return found, 2 * DEGREE * UNIT * rounding


def integrals(model: TaylorModel, half: Array) -> tuple[Array, Array]:
    """Return bounds of |∫ f| over every cell, and of |∫ f| from its low end to any point of it."""
    powers = np.arange(1, model.degrees[0] + 1)
    near, lost = floats(model.coefficients)
    rising = np.pad(near / powers, [(0, 0), (1, 0)])
    sizes = np.abs(rising).sum(axis=1)
    rising[:, 0] = -(rising * (-1.0) ** np.arange(len(powers) + 1)).sum(axis=1)
    error = model.error + np.broadcast_to(lost, near.shape).sum(axis=1)
    error = 2 * UPWARD * error + 4 * (len(powers) + 2) * UNIT * sizes
    whole = np.abs(rising.sum(axis=1)) + error
    running = TaylorModel(rising, np.broadcast_to(error, sizes.shape)).close_bound
    return UPWARD * half * whole, UPWARD * half * running


def integral(model: TaylorModel, half: Array) -> tuple[float, float]:
    """Return ∫ f over all cells, and a bound of its error."""
    near, lost = floats(model.coefficients)
    even = near[:, ::2]
    powers = np.arange(0, model.degrees[0], 2)
    found = float((2 * even / (powers + 1)).sum(axis=1) @ half)
    sizes = UPWARD * (2 * np.abs(even).sum(axis=1))
    rounding = (len(half) + len(powers) + 8) * UNIT * sizes
    error = model.error + np.broadcast_to(lost, near.shape).sum(axis=1)
    return found, UPWARD * float((2 * error + rounding) @ (UPWARD * half))


@dataclass(frozen=True)
class Propagation:
    """The inequality for errors x (cells + 1, n) at ends of cells and ε (cells, n) on them, by bounds of its parts."""

    inverse: Array  # |R|
    remainder: Array  # |1 − R K|
    uncertain: (
        Array  # of the entries of K beside the conditions: rounding errors at low and high ends, (2, cells, n, n)
    )
    adjoint: Array  # |Z|
    first: Array  # |Z| at low ends
    forward: Array  # |Y|
    defect: Array  # h |D|
    inexact: Array  # |E|
    whole: Array  # |∫ Z r| over cells, (cells, n)
    running: Array  # the largest |∫ Z r| from low ends
    widths: Array
    mismatch: Array

    @classmethod
    def of(
        cls,
        adjoint: Matrix,
        forward: Matrix,
        defect: Matrix,
        residuals: Sequence[TaylorModel],
        half: Array,
        conditions: Sequence[tuple[int, Sequence[float]]],
        mismatch: Sequence[float],
    ) -> Propagation:
        """Return the inequality for Z, Y, Z' + Z A, r and the conditions (side, weights) with their mismatches."""
        size, cells = len(adjoint), len(half)
        first, last = (at_ends(adjoint, side) for side in (-1, 1))
        unit: Matrix = [[TaylorModel.constant(float(i == j), 1) for j in range(size)] for i in range(size)]
        identity = matrix_product(forward, adjoint)
        inexact = [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(identity, unit, strict=True)]
        carried = [_sum([z * r for z, r in zip(row, residuals, strict=True)]) for row in adjoint]
        bounds = [integrals(model, half) for model in carried]
        matrix = _ends_matrix(first[0], last[0], conditions)
        inverse = np.linalg.inv(matrix.toarray())
        with np.errstate(all="ignore"):
            product = np.asarray((matrix.T @ inverse.T).T)
            rounding = 4 * (size + 1) * UNIT * np.asarray((abs(matrix).T @ np.abs(inverse).T).T) + TINY
        # The weights of conditions are rounded too.
        weights = np.asarray((abs(matrix[-size:]).T @ np.abs(inverse[:, -size:]).T).T) * 4 * UNIT
        whole, running = (np.stack([np.broadcast_to(b[k], cells) for b in bounds], axis=1) for k in (0, 1))
        widths = UPWARD * 2 * half
        return cls(
            np.abs(inverse),
            np.abs(product - np.eye(len(inverse))) + rounding + weights,
            np.stack([first[1], last[1]]),
            matrix_bound(adjoint),
            np.abs(first[0]) + first[1],
            matrix_bound(forward),
            widths[:, None, None] * matrix_bound(defect),
            matrix_bound(inexact),
            whole,
            running,
            widths,
            np.asarray(mismatch),
        )

    def errors(self, change: Array) -> Array:
        """Return bounds (cells, n) of the errors on cells for bounds of |A − A₀|; raise NoTheorem if there are none."""
        cells, size = self.whole.shape
        coupling = UPWARD * (self.defect + self.widths[:, None, None] * (self.adjoint @ change))
        ends, inside = np.full((cells + 1, size), TINY), np.full((cells, size), TINY)
        for _ in range(ITERATIONS):
            new_ends, new_inside = self._step(ends, inside, coupling)
            settled = (new_ends <= (1 + SETTLED) * ends).all() and (new_inside <= (1 + SETTLED) * inside).all()
            ends, inside = np.maximum(ends, new_ends), np.maximum(inside, new_inside)
            if settled or not np.isfinite(inside).all():
                break
        # What is inside follows from the ends, and must exceed that too.
        ends, inside = INFLATED * ends, INFLATED**2 * inside
        new_ends, new_inside = self._step(ends, inside, coupling)
        if not ((new_ends < ends).all() and (new_inside < inside).all()):
            raise NoTheorem("errors are amplified too much to be followed from cell to cell")
        return inside

    def _step(self, ends: Array, inside: Array, coupling: Array) -> tuple[Array, Array]:
        """Return the right-hand side of the inequality, rounded up."""
        inner = np.einsum("cij,cj->ci", coupling, inside)
        fuzzy = np.einsum("cij,cj->ci", self.uncertain[0], ends[:-1])
        fuzzy = fuzzy + np.einsum("cij,cj->ci", self.uncertain[1], ends[1:])
        sources = np.concatenate([(self.whole + inner + fuzzy).ravel(), self.mismatch])
        new_ends = self.inverse @ sources + self.remainder @ ends.ravel()
        within = np.einsum("cij,cj->ci", self.first, ends[:-1]) + self.running + inner
        new_inside = np.einsum("cij,cj->ci", self.forward, within) + np.einsum("cij,cj->ci", self.inexact, inside)
        return UPWARD * new_ends.reshape(ends.shape) + TINY, UPWARD * new_inside + TINY


def _ends_matrix(
    first: Array, last: Array, conditions: Sequence[tuple[int, Sequence[float]]]
) -> scipy.sparse.csr_matrix:
    """Return K: Z e(s + h) − Z e(s) of every cell, and the conditions."""
    cells, size, _ = first.shape
    rows, columns = np.indices((size, size))
    starts = size * np.arange(cells)[:, None, None]
    conditions_at = [
        (size * cells + number, (0 if side < 0 else size * cells) + j, weight)
        for number, (side, weights) in enumerate(conditions)
        for j, weight in enumerate(weights)
        if weight
    ]
    i, j, values = (np.array(each) for each in zip(*conditions_at, strict=True))
    entries = np.concatenate([(-first).ravel(), last.ravel(), values])
    row = np.concatenate([(starts + rows).ravel(), (starts + rows).ravel(), i])
    column = np.concatenate([(starts + columns).ravel(), (starts + columns + size).ravel(), j])
    shape = (size * (cells + 1),) * 2
    return scipy.sparse.csr_matrix((entries, (row, column)), shape=shape)
