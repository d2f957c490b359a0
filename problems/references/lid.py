"""Make lid.npz, a spectral reference for the flow in a square that a lid drives: python problems/references/lid.py.

The stream function ψ, with u = ψ_y and v = -ψ_x, satisfies Δ²ψ = Re (ψ_y Δψ_x - ψ_x Δψ_y). It is a lifting of the lid's
velocity and products of (1 - s²)² P_n(s), which vanish at the walls with their normal derivatives, and the equation
holds in the weak sense (J. Shen, "Hopf Bifurcation of the Unsteady Regularized Driven Cavity Flow", 1991). `main`
compares two numbers of functions with each other.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.polynomial import polynomial as powers

Array = Any
CLAMPED = legendre.poly2leg([1, 0, -2, 0, 1])  # (1 - s²)²
LID = [0, 0, 16, -32, 16]  # 16 x² (1 - x)², the lid's velocity
LIFTED = [0, 0, -1, 1]  # y² (y - 1), which has the slope 1 at y = 1 and the slope 0 at y = 0
MORE = 12  # points along an axis than functions
STEPS = (50.0, 100.0, 400.0, 700.0, 1000.0)  # Reynolds numbers of the continuation
PARTIALS = [(i, j) for i in range(5) for j in range(5) if i + j <= 4]


def basis(n: int, x: Array) -> list[Array]:
    """Return the derivatives of orders 0 to 4 of all n functions at points x of (0, 1), (m, n) each."""
    columns = [legendre.legmul(CLAMPED, np.eye(n)[k]) for k in range(n)]
    series = np.array([np.pad(each, (0, n + 4 - len(each))) for each in columns]).T
    series = series / np.sqrt(np.arange(n) + 1.0)
    return [2.0**order * legendre.legval(2 * x - 1, legendre.legder(series, order)).T for order in range(5)]


def lifting(x: Array, y: Array) -> dict[tuple[int, int], Array]:
    """Return the partials of the lifting at pairs of points."""

    def one(series: list[int], order: int, at: Array) -> Array:
        return powers.polyval(at, powers.polyder(series, order))

    return {(i, j): one(LID, i, x) * one(LIFTED, j, y) for i, j in PARTIALS}


@cache
def stream_function(reynolds: float, n: int = 48) -> Array:
    """Return the coefficients (n, n) by Newton's method, with continuation in the Reynolds number."""
    nodes, weights = legendre.leggauss(n + MORE)
    nodes = (nodes + 1) / 2
    one = basis(n, nodes)
    tests = weights[:, None] * one[0]
    x, y = (each.ravel() for each in np.meshgrid(nodes, nodes, indexing="ij"))
    lifted = lifting(x, y)
    all_of = {(i, j): np.kron(one[i], one[j]) for i, j in PARTIALS if (i, j) not in ((1, 3), (3, 1))}
    bilaplace = all_of[4, 0] + 2 * all_of[2, 2] + all_of[0, 4]
    slopes = {"x": all_of[3, 0] + all_of[1, 2], "y": all_of[2, 1] + all_of[0, 3]}
    fixed = {"x": lifted[3, 0] + lifted[1, 2], "y": lifted[2, 1] + lifted[0, 3]}
    source = lifted[4, 0] + 2 * lifted[2, 2] + lifted[0, 4]
    found = np.zeros(n * n)

    def tested(rows: Array) -> Array:
        grid = rows.reshape(n + MORE, n + MORE, -1)
        return np.einsum("xi,yj,xyk->ijk", tests, tests, grid, optimize=True).reshape(n * n, -1)

    for number in [*(each for each in STEPS if each < reynolds), reynolds]:
        for _ in range(12):
            px, py = lifted[1, 0] + all_of[1, 0] @ found, lifted[0, 1] + all_of[0, 1] @ found
            wx, wy = fixed["x"] + slopes["x"] @ found, fixed["y"] + slopes["y"] @ found
            rest = source + bilaplace @ found - number * (py * wx - px * wy)
            matrix = py[:, None] * slopes["x"] - px[:, None] * slopes["y"]
            matrix += wx[:, None] * all_of[0, 1] - wy[:, None] * all_of[1, 0]
            step = np.linalg.solve(tested(bilaplace - number * matrix), tested(rest))[:, 0]
            found = found - step
            if np.linalg.norm(step) < 1e-11 * np.linalg.norm(found):
                break
    return found.reshape(n, n)


def series(reynolds: float, n: int = 48) -> Array:
    """Return the coefficients of ψ in P_i(2x - 1) P_j(2y - 1)."""
    inner = np.array([legendre.legmul(CLAMPED, np.eye(n)[k] / np.sqrt(k + 1.0)) for k in range(n)], dtype=object)
    columns = np.array([np.pad(each, (0, n + 4 - len(each))) for each in inner]).T
    total = columns @ stream_function(reynolds, n) @ columns.T
    x, y = (legendre.poly2leg(shifted(one)) for one in (LID, LIFTED))
    total[: len(x), : len(y)] += np.outer(x, y)
    return total


def shifted(powers_of_x: list[int]) -> Array:
    """Return the coefficients in s = 2x - 1 of a polynomial in x."""
    total = np.zeros(1)
    for one in reversed(powers_of_x):
        total = powers.polyadd(powers.polymul(total, [0.5, 0.5]), [one])
    return total


def main() -> None:
    """Write lid.npz, and print how much the velocities differ from those of fewer functions."""
    x, y = 2 * np.random.default_rng(0).random((2, 4000)) - 1
    kept = {}
    for reynolds in (100.0, 400.0, 1000.0):
        fine, rough = series(reynolds), series(reynolds, 40)
        slopes = [[legendre.legval2d(x, y, legendre.legder(c, axis=a)) for a in (0, 1)] for c in (fine, rough)]
        difference = np.linalg.norm(np.subtract(*slopes)) / np.linalg.norm(slopes[0])
        print(f"Re = {reynolds:.0f}: the velocities of 40² and 48² functions differ by {difference:.1e}")
        kept[f"reynolds_{reynolds:.0f}"] = fine
    np.savez_compressed(Path(__file__).parent / "lid.npz", **kept)


if __name__ == "__main__":
    main()
