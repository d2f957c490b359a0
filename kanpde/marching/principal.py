"""The principal part of an elliptic equation or system in the plane: the roots of its symbol's determinant.

With ξ for the derivatives, the rows of a linear system are a matrix P(ξ) of polynomials. The part D(ξ) of highest order
of its determinant is that of Douglis and Nirenberg's theory (Commun. Pure Appl. Math. 8 (1955) 503); the system is
elliptic if D has no real zeros. If D has constant coefficients, and the others vanish, every field solves D(∂) u = 0,
whose solutions are those of S. G. Lekhnitskii ("Anisotropic Plates", 1968): with D(1, μ) = 0 and ζ = x + μy, a root μ
of multiplicity m has functions of ζ times 1, ζ̄, …, ζ̄^(m-1). Laplace's equation has the root i, elasticity and Stokes'
flow have it twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from kanpde.calculus.arrays import Array, MultiIndex

Slopes = Mapping[MultiIndex, float]  # ∂r/∂(∂^α u) by α

Roots = tuple[tuple[complex, int], ...]  # those of D(1, t) above the real line, with their multiplicities

SAME = 1e-9  # relative difference that is round-off
DEFINITE = 1e-6  # least ratio of the squares of the axes of an ellipse that a root takes to a circle
CLOSE = 1e-3  # relative difference of roots that are one root: round-off moves a multiple one far
FAR = 100.0  # size of ξ at which the part of highest order is looked for
HIGHEST = 12  # largest order of a determinant that is looked at


def determinant(rows: Sequence[Sequence[Slopes]]) -> tuple[Array, bool] | None:
    """Return the coefficients of D(1, t), the lowest power of t first, and True if the determinant has other terms.

    The `rows` have the slopes by the partials of every field. None is returned if they are no square matrix, or if
    the determinant is zero or of too high an order.
    """
    fields = len(rows[0])
    order = sum(max((len(p) for row in rows for p, c in row[f].items() if c), default=0) for f in range(fields))
    finite = all(math.isfinite(c) for row in rows for each in row for c in each.values())
    if len(rows) != fields or not 0 < order <= HIGHEST or not finite:
        return None
    far, near = (_coefficients(rows, order, scale) for scale in (FAR, 1.0))
    sizes = np.abs(far).max(axis=1)
    large = np.flatnonzero(sizes > SAME * sizes.max())
    if not len(large):
        return None
    top = int(large[-1])
    return near[top, : top + 1], bool(np.abs(near[:top]).max() > SAME * np.abs(near[top]).max())


def _coefficients(rows: Sequence[Sequence[Slopes]], order: int, scale: float) -> Array:
    """Return the coefficients of det P(λ, λt) by the powers of λ / scale and of t, by Fourier's transform."""
    turns = np.exp(2j * np.pi * np.arange(order + 1) / (order + 1))
    size, t = np.meshgrid(scale * turns, turns, indexing="ij")
    symbol = np.zeros((*size.shape, len(rows), len(rows)), dtype=complex)
    for r, row in enumerate(rows):
        for f, slopes in enumerate(row):
            for partial, slope in slopes.items():
                symbol[..., r, f] += slope * size ** len(partial) * t ** partial.count(1)
    return np.asarray(np.fft.fft2(np.linalg.det(symbol)).real / size.size)


def roots_of(polynomial: Array) -> Roots | None:
    """Return the roots of D(1, t) above the real line with their multiplicities; None if D is not elliptic."""
    order = len(polynomial) - 1
    if order < 2 or abs(polynomial[-1]) <= SAME * np.abs(polynomial).max():
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
