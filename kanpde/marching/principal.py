"""The principal part of an elliptic equation or system: the roots of its symbol's determinant, or its quadratic form.

With ξ for the derivatives, the rows of a linear system are a matrix P(ξ) of polynomials. The part D(ξ) of highest order
of its determinant is that of Douglis and Nirenberg's theory (Commun. Pure Appl. Math. 8 (1955) 503); the system is
elliptic if D has no real zeros. If D has constant coefficients, and the others vanish, every field solves D(∂) u = 0,
whose solutions in the plane are those of S. G. Lekhnitskii ("Anisotropic Plates", 1968): with D(1, μ) = 0 and
ζ = x + μy, a root μ of multiplicity m has functions of ζ times 1, ζ̄, …, ζ̄^(m-1). Laplace's equation has the root i,
elasticity and Stokes' flow have it twice. In space D is a power of a quadratic form for these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array, MultiIndex

Slopes = Mapping[MultiIndex, float]  # ∂r/∂(∂^α u) by α

ComplexArray = npt.NDArray[np.complex128]
Roots = tuple[tuple[complex, int], ...]  # those of D(1, t) above the real line, with their multiplicities

SAME = 1e-9  # relative difference that is round-off
DEFINITE = 1e-6  # least ratio of the squares of the axes of an ellipse that a root takes to a circle
CLOSE = 1e-3  # relative difference of roots that are one root: round-off moves a multiple one far
FAR = 100.0  # size of ξ at which the part of highest order is looked for
DIRECTIONS = 24  # in space
HIGHEST = 12  # largest order of a determinant that is looked at


def determinant(rows: Sequence[Sequence[Slopes]], dimension: int = 2) -> tuple[ComplexArray, bool] | None:
    """Return the values of D at `directions_of` this many coordinates, and True if the determinant has other terms.

    The `rows` have the slopes by the partials of every field. None is returned if they are no square matrix, or if
    the determinant is zero or of too high an order.
    """
    fields = len(rows[0])
    order = sum(max((len(p) for row in rows for p, c in row[f].items() if c), default=0) for f in range(fields))
    finite = all(math.isfinite(c) for row in rows for each in row for c in each.values())
    if len(rows) != fields or not 0 < order <= HIGHEST or not finite:
        return None
    far, near = (_by_order(rows, order, scale, directions_of(dimension)) for scale in (FAR, 1.0))
    sizes = np.abs(far).max(axis=1)
    large = np.flatnonzero(sizes > SAME * sizes.max())
    if not len(large):
        return None
    top = int(large[-1])
    return near[top], bool(np.abs(near[:top]).max(initial=0.0) > SAME * np.abs(near[top]).max())


def directions_of(dimension: int) -> ComplexArray:
    """Return directions (n, d) that determine D: (1, t) with roots of unity t in the plane, or some in space."""
    if dimension == 2:
        turns = np.exp(2j * np.pi * np.arange(HIGHEST + 1) / (HIGHEST + 1))
        return np.stack([np.ones_like(turns), turns], axis=1)
    draw = np.random.default_rng(0).standard_normal((DIRECTIONS, dimension))
    return np.asarray(draw / np.linalg.norm(draw, axis=1, keepdims=True), dtype=complex)


def _by_order(rows: Sequence[Sequence[Slopes]], order: int, scale: float, directions: ComplexArray) -> ComplexArray:
    """Return the parts (order + 1, n) of det P(λξ) at directions ξ by the power of λ / scale."""
    sizes = scale * np.exp(2j * np.pi * np.arange(order + 1) / (order + 1))
    symbol = np.zeros((len(sizes), len(directions), len(rows), len(rows)), dtype=complex)
    for r, row in enumerate(rows):
        for f, slopes in enumerate(row):
            for partial, slope in slopes.items():
                if slope:
                    along = directions[:, [*partial]].prod(axis=1)
                    symbol[..., r, f] += slope * np.multiply.outer(sizes ** len(partial), along)
    return np.asarray(np.fft.fft(np.linalg.det(symbol), axis=0) / len(sizes))


def roots_of(values: ComplexArray) -> Roots | None:
    """Return the roots of D(1, t) above the real line with their multiplicities; None if D is not elliptic."""
    polynomial = np.fft.fft(values).real / len(values)
    order = int(np.flatnonzero(np.abs(polynomial) > SAME * np.abs(polynomial).max())[-1])
    polynomial = polynomial[: order + 1]
    if order < 2:
        return None
    above = [complex(root) for root in np.polynomial.polynomial.polyroots(polynomial) if root.imag > 0]
    found: list[tuple[complex, int]] = []
    while above:
        near = [root for root in above if abs(root - above[0]) <= CLOSE * abs(root)]
        above = [root for root in above if root not in near]
        found.append((sum(near) / len(near), len(near)))
    if 2 * sum(count for _, count in found) != order or not all(definite(root) for root, _ in found):
        return None
    return tuple(found)


def quadratic(values: ComplexArray, directions: ComplexArray) -> tuple[Array, int] | None:
    """Return A and m with D = (ξᵀAξ)^m up to a factor, where ξ are directions in space; None if D is none of these."""
    xi = directions.real
    pairs = [(i, j) for i in range(3) for j in range(i + 1)]
    design = np.stack([xi[:, i] * xi[:, j] * (1 if i == j else 2) for i, j in pairs], axis=1)
    sizes = values.real / values.real[0]
    for count in range(1, HIGHEST // 2 + 1) if (sizes > 0).all() else ():
        wanted = sizes ** (1 / count)
        found = np.linalg.lstsq(design, wanted, rcond=None)[0]
        if np.abs(design @ found - wanted).max() <= SAME * np.abs(wanted).max():
            matrix = np.zeros((3, 3))
            for (i, j), c in zip(pairs, found, strict=True):
                matrix[i, j] = matrix[j, i] = c / found[0]
            least, *_, largest = np.linalg.eigvalsh(matrix)
            return (matrix, count) if least > DEFINITE * largest else None
    return None


def definite(root: complex) -> bool:
    """Return True if x + μy is far enough from a real line."""
    sizes = np.linalg.svd(mapped(root), compute_uv=False)
    return bool(sizes[-1] ** 2 > DEFINITE * sizes[0] ** 2)


def mapped(root: complex) -> Array:
    """Return the linear map (2, 2) from (x, y) to Re and Im of x + μy."""
    return np.array([[1.0, root.real], [0.0, root.imag]])


def is_laplacian(roots: Roots) -> bool:
    """Return True if these are the roots of Laplace's operator."""
    return len(roots) == 1 and roots[0][1] == 1 and is_round(roots[0][0])


def is_round(root: complex) -> bool:
    """Return True if x + μy is x + iy."""
    return abs(root - 1j) <= SAME
