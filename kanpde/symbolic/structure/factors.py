"""The factors of a field along one axis: the subspace that they span, and functions closed under differentiation.

The left singular vectors of the unfolding of a field along an axis span the factors of that axis (HOSVD: De Lathauwer,
De Moor, Vandewalle, SIAM J. Matrix Anal. Appl. 21 (2000) 1253). The vectors are mixtures of the factors, but the
subspace is unique. If differentiation maps it to itself, d/ds V = V A, the eigenvalues of A are the rates of its
exponentials and waves, as in Prony's method; d²/ds² V = V A and the same relations in s² and log s identify more.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp
from numpy.polynomial import legendre

from kanpde.calculus.arrays import Array
from kanpde.symbolic.structure.atoms import VARIABLE, B, Basis, C
from kanpde.symbolic.structure.sampled import Sampled

# A rate times the length of the axis below this counts as zero.
STILL = 0.02
# The largest relative residual of a relation between a subspace and its derivatives.
CLOSED = 0.3
# The smallest ratio of singular values with which the coefficients of a relation count as unique.
UNIQUE = 1e-7

_S = VARIABLE
# Arguments g of exponentials and waves: s, s² and log s (exponentials of log s are powers).
PLAIN, SQUARE, LOG = _S, _S**2, sp.log(_S)
BELL = Basis("gaussian", (sp.exp(B * _S**2 + C * _S),), (B, C))
POWER = Basis("power", ((_S + B) ** C,), (B, C))


@dataclass(frozen=True)
class Subspace:
    """Orthonormal functions (n, r) at the nodes of one axis with their derivatives.

    `sizes` (r,) are their singular values in descending order.
    """

    nodes: Array
    weights: Array
    functions: Array
    first: Array
    second: Array
    sizes: Array

    @property
    def rank(self) -> int:
        return len(self.sizes)


def spectrum(field: Sampled, axis: int) -> Array:
    """Return the singular values of the unfolding along an axis, relative to the norm of the field."""
    values = np.linalg.svd(_unfolded(field, field.values, axis), compute_uv=False)
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-300))


def tails(singular: Array) -> Array:
    """Return the relative truncation error of each rank 0, 1, …."""
    return np.asarray(np.sqrt(np.append(np.cumsum(singular[::-1] ** 2)[::-1], 0.0)))


def subspace(field: Sampled, axis: int, rank: int) -> Subspace:
    """Return the subspace of the factors of an axis at a given rank."""
    root = np.sqrt(field.weights[axis])[:, None]
    matrix = _unfolded(field, field.values, axis)
    _, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    mix = right[:rank].T / np.maximum(sizes[:rank], 1e-300)
    functions, first, second = (
        _unfolded(field, part, axis) @ mix / root for part in (field.values, field.first[axis], field.second[axis])
    )
    return Subspace(field.nodes[axis], field.weights[axis], functions, first, second, sizes[:rank])


def _unfolded(field: Sampled, values: Array, axis: int) -> Array:
    """Return the unfolding (n_axis, rest), weighted so that sums of squares are integrals."""
    return np.moveaxis(values * np.sqrt(field.weight), axis, 0).reshape(len(field.nodes[axis]), -1)


def closures(space: Subspace) -> Iterator[tuple[tuple[Basis, ...], Array]]:
    """Yield bases whose span may contain the subspace, with constants (p,), from relations between its derivatives."""
    x = space.nodes[:, None]
    v, v1, v2 = space.functions, space.first, space.second
    # Entries are (g, g', g'') with g = s, s², log s, because V' = g' V A if the factors are exponentials of g.
    inner = [(PLAIN, 1 + 0 * x, 0 * x), (SQUARE, 2 * x, 2 + 0 * x)]
    inner += [(LOG, 1 / x, -1 / x**2)] if x.min() > 0 else []
    reach = {PLAIN: np.ptp(x), SQUARE: np.ptp(x**2), LOG: np.ptp(np.log(np.abs(x)))}
    for order in (1, 2):
        for g, g1, g2 in inner:
            left, right = (v1, g1 * v) if order == 1 else (v2 * g1 - v1 * g2, g1**3 * v)
            for degree in (-1, 0, 1) if g == PLAIN else (-1,):
                if (rates := _eigenvalues(space, left, right, degree)) is not None:
                    found = _exponentials if order == 1 else _waves
                    yield from found(rates, g, float(reach[g]), degree)
    for g, g1, g2 in inner:
        if g != SQUARE and (rates := _pencil(space, v1 / g1, (v2 * g1 - v1 * g2) / g1**3)) is not None:
            yield from _exponentials(rates, g, float(reach[g]), -1)
    yield from _mixtures(space, float(reach[PLAIN]))
    if space.rank == 1:
        yield from _single(space)


def _single(space: Subspace) -> Iterator[tuple[tuple[Basis, ...], Array]]:
    """Yield the closures of one function: a Gaussian if v' = (c + 2 b s) v, a power if (s + c) v' = p v."""
    s, v, v1 = space.nodes[:, None], space.functions, space.first
    if (solved := _solved(space, v1, np.hstack([s * v, v]))) is not None:
        yield (BELL,), np.array([solved[0, 0] / 2, solved[1, 0]])
    if (solved := _solved(space, s * v1, np.hstack([v1, v]))) is not None and s.min() - solved[0, 0] > 0:
        yield (POWER,), np.array([-solved[0, 0], solved[1, 0]])


def _eigenvalues(space: Subspace, left: Array, right: Array, degree: int) -> npt.NDArray[np.complex128] | None:
    """Return the eigenvalues of A in left = right A + polynomial (least squares); None without a unique fit."""
    polynomial = np.vander(space.nodes, degree + 1, increasing=True)
    solved = _solved(space, left, np.hstack([right, polynomial]))
    return None if solved is None else np.asarray(np.linalg.eigvals(solved[: space.rank]), dtype=np.complex128)


def _pencil(space: Subspace, first: Array, second: Array) -> npt.NDArray[np.complex128] | None:
    """Return the λ of λ² = λ A + B with V'' = V' A + V B: two exponentials in one function; None if the fit fails."""
    r = space.rank
    solved = _solved(space, second, np.hstack([first, space.functions]))
    if solved is None:
        return None
    companion = np.block([[np.zeros((r, r)), solved[r:]], [np.eye(r), solved[:r]]])
    return np.asarray(np.linalg.eigvals(companion), dtype=np.complex128)


def _mixtures(space: Subspace, reach: float) -> Iterator[tuple[tuple[Basis, ...], Array]]:
    """Yield bases larger than the subspace: V'' = V A + ∬V B (waves), V'' = V' A + V B + ∫V C (exponentials).

    These are integrals of relations between higher derivatives, V⁗ = V'' A + V B and V''' = V'' A + V' B + V C, with
    constants of integration. Undetermined coefficients give rates of redundant functions, which are eliminated later.
    """
    once = reach * antiderivative(len(space.nodes)) @ space.functions
    twice = reach * antiderivative(len(space.nodes)) @ once
    line = np.vander(space.nodes, 2, increasing=True)
    if (squares := _roots(space, [space.functions, twice], line)) is not None:
        yield from _waves(squares, PLAIN, reach, -1)
    if (rates := _roots(space, [space.first, space.functions, once], line[:, :1])) is not None:
        yield from _exponentials(rates, PLAIN, reach, -1)


def _roots(space: Subspace, right: list[Array], others: Array) -> npt.NDArray[np.complex128] | None:
    """Return the λ of λ^m = λ^(m-1) A_1 + … + A_m with V'' = Σ right_i A_i + others A_0; None if the fit fails."""
    r, m = space.rank, len(right)
    solved = _solved(space, space.second, np.hstack([*right, others]), unique=False)
    if solved is None:
        return None
    companion = np.zeros((r * m, r * m))
    companion[r:, :-r] = np.eye(r * (m - 1))
    for i in range(m):
        companion[r * (m - 1 - i) : r * (m - i), -r:] = solved[r * i : r * (i + 1)]
    return np.asarray(np.linalg.eigvals(companion), dtype=np.complex128)


@functools.lru_cache(maxsize=8)
def antiderivative(count: int) -> Array:
    """Return the matrix from values at Gauss–Legendre nodes that span a unit length to values of the integral there."""
    nodes, weights = legendre.leggauss(count)
    degrees = np.arange(count)
    to_series = (degrees[:, None] + 0.5) * legendre.legvander(nodes, count - 1).T * weights
    integrated = legendre.legvander(nodes, count) @ legendre.legint(np.eye(count), lbnd=-1) @ to_series
    return np.asarray(integrated / np.ptp(nodes))


def _solved(space: Subspace, left: Array, right: Array, unique: bool = True) -> Array | None:
    """Return the least-squares solution X of left = right X; None if the residual is large or X is not `unique`."""
    root = np.sqrt(space.weights)[:, None]
    scale = np.maximum(np.linalg.norm(root * right, axis=0), 1e-300)
    matrix, _, _, singular = np.linalg.lstsq(root * right / scale, root * left, rcond=None if unique else UNIQUE)
    size = max(float(np.linalg.norm(root * left)), 1e-300)
    rest = np.linalg.norm(root * (left - right / scale @ matrix)) / size
    return matrix / scale[:, None] if rest < CLOSED and (singular[-1] > UNIQUE * singular[0] or not unique) else None


def exponential(inner: Any = PLAIN) -> Basis:
    """Return the basis e^{b g}."""
    return Basis("power" if inner == LOG else "exp", (sp.exp(B * inner),), (B,))


def wave(inner: Any = PLAIN) -> Basis:
    """Return the basis sin(b g), cos(b g)."""
    return Basis("sin", (sp.sin(B * inner), sp.cos(B * inner)), (B,))


def fading_wave(inner: Any = PLAIN) -> Basis:
    """Return the basis e^{b g} sin(c g), e^{b g} cos(c g)."""
    growth = sp.exp(B * inner)
    return Basis("sin", (growth * sp.sin(C * inner), growth * sp.cos(C * inner)), (B, C))


def _exponentials(
    rates: npt.NDArray[np.complex128], inner: Any, reach: float, degree: int
) -> Iterator[tuple[tuple[Basis, ...], Array]]:
    """Yield e^{λ g} of a first-order relation; complex pairs λ give waves first without, then with their real part."""
    still = int(np.sum(np.abs(rates) * reach < STILL))
    rates = rates[np.abs(rates) * reach >= STILL]
    real, pairs = rates[rates.imag == 0].real, rates[rates.imag > 0]
    for undamped in (True, False) if len(pairs) else (True,):
        bases = polynomial(degree + still, inner) + [exponential(inner)] * len(real)
        bases += [wave(inner) if undamped else fading_wave(inner)] * len(pairs)
        chosen = [[pair.imag] if undamped else [pair.real, pair.imag] for pair in pairs]
        yield tuple(bases), np.array([*real, *(number for numbers in chosen for number in numbers)])


def _waves(
    rates: npt.NDArray[np.complex128], inner: Any, reach: float, degree: int
) -> Iterator[tuple[tuple[Basis, ...], Array]]:
    """Yield the bases of a second-order relation: a wave per negative eigenvalue, e^{±b g} per positive one."""
    still = np.abs(rates.real) * reach**2 < STILL
    bases = polynomial(degree + 2 if still.any() and inner != SQUARE else degree + int(still.any()), inner)
    constants: list[float] = []
    for rate in rates.real[~still]:
        root = float(np.sqrt(abs(rate)))
        bases += [wave(inner)] if rate < 0 else [exponential(inner)] * 2
        constants += [root] if rate < 0 else [root, -root]
    yield tuple(bases), np.array(constants)


def polynomial(degree: int, inner: Any = PLAIN) -> list[Basis]:
    """Return the basis 1, g, …, g^degree, or an empty list if the degree is negative."""
    name = "log" if inner == LOG and degree > 0 else "polynomial"
    return [Basis(name, tuple(inner**k for k in range(degree + 1)))] if degree >= 0 else []
