"""Hadamard's test: an evolution is ill-posed where it amplifies waves without bound, the more the shorter they are.

With the coefficients of the linearised equations frozen at a point, waves exp(i k·x + λ t) satisfy

    det Σ_p A_p(k) λᵖ = 0,

where A_p has the coefficients of the partials with p derivatives in time, each times (i k)^α of its derivatives in
space. If Re λ grows without bound with |k|, as in a heat equation backwards in time, then no norm of the data bounds
the solution (Hadamard, "Lectures on Cauchy's Problem", 1923; Kreiss and Lorenz, "Initial-Boundary Value Problems and
the Navier–Stokes Equations", ch. 2). A solution on splines may be smooth and wrong there, because it has no such waves.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.domain import Domain, interior_points
from kanpde.marching.audit.frozen import Frozen, frozen
from kanpde.marching.evolution import evolves
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem

POINTS = 2**13  # at which coefficients are frozen; what is narrower than their distance stays hidden
WAVES = (1e5, 1e6)  # wave numbers, times the length of the domain, so large that lower-order terms have no part
GROWING = 2.0  # ratio of the rates of growth of the two from which the rate has no bound
SHARE = 1e-2  # rate of growth, relative to the mean size of λ, from which it is more than an error of the solution
SINGULAR = 1e-8  # reciprocal condition of the matrix of the highest derivatives in time below which nothing is said


@dataclass(frozen=True)
class Amplified:
    """A point, by coordinate, near which short waves are amplified without bound."""

    point: dict[str, float]


def amplified_waves(problem: Problem, model: Model, unknowns: Mapping[str, Tensor]) -> Amplified | None:
    """Return the point near which short waves grow fastest, if they do without bound; None if they do not.

    Nothing is said of equations with integrals, and of systems whose highest derivatives in time do not determine all
    fields, as those of an incompressible flow.
    """
    domain = problem.domain
    if not evolves(problem):
        return None
    random = np.random.default_rng(0)
    points = interior_points(domain, POINTS, lambda count, dimension: random.random((count, dimension)))
    found = frozen(problem, model, unknowns, points)
    if found is None:
        return None
    known = np.flatnonzero(np.isfinite(found.slopes).all(axis=(1, 2, 3)))
    if not len(known):
        return None
    finite, time = Frozen(found.points[known], found.partials, found.slopes[known]), domain.time or 0
    worst = [fastest(finite, time, along / (domain.high - domain.low)) for along in directions(domain)]
    rate, place = max(worst, default=(0.0, 0))
    point = dict(zip(domain.names, finite.points[place].tolist(), strict=True))
    return Amplified(point) if rate > SHARE else None


def directions(domain: Domain) -> Iterator[Array]:
    """Yield the directions of waves: along every axis in space, and along both diagonals of every two."""
    unit = np.eye(domain.dimension)
    yield from unit[list(domain.space)]
    for a, b in itertools.combinations(domain.space, 2):
        yield unit[a] + unit[b]
        yield unit[a] - unit[b]


def fastest(found: Frozen, time: int, along: Array) -> tuple[float, int]:
    """Return the largest rate of growth of waves along a vector, relative to the mean size of λ, and where it is.

    It is zero if the rate has a bound.
    """
    long, short = (exponents(found, time, size * along) for size in WAVES)
    if long is None or short is None:
        return 0.0, 0
    slow, fast = (each.real.max(axis=1) for each in (long, short))
    unbounded = np.where(fast > GROWING * np.maximum(slow, 0.0), fast, 0.0)
    place = int(unbounded.argmax())
    return float(unbounded[place]) / max(float(np.abs(short).max(axis=1).mean()), 1e-300), place


def exponents(found: Frozen, time: int, wave: Array) -> npt.NDArray[np.complex128] | None:
    """Return the numbers λ (n, s) of a wave vector (d,); None if highest derivatives do not determine all fields."""
    count, fields, order = len(found.slopes), found.slopes.shape[3], max(p.count(time) for p in found.partials)
    powers = np.zeros((order + 1, count, fields, fields), complex)  # A_p
    for a, partial in enumerate(found.partials):
        factor = np.prod([1j * wave[axis] for axis in partial if axis != time])
        powers[partial.count(time)] += factor * found.slopes[:, :, a]
    orders = [max((p for p in range(order + 1) if powers[p, :, :, f].any()), default=0) for f in range(fields)]
    leading = np.stack([powers[orders[f], :, :, f] for f in range(fields)], axis=-1)
    sizes = np.linalg.svd(leading, compute_uv=False)
    if not all(orders) or not (sizes[:, -1] > SINGULAR * sizes[:, 0]).all():
        return None
    # The states are the fields and their derivatives in time below the highest one.
    states = [(f, p) for f in range(fields) for p in range(orders[f])]
    lower = np.stack([powers[p, :, :, f] for f, p in states], axis=-1)
    highest = -np.linalg.solve(leading, lower)
    matrix = np.zeros((count, len(states), len(states)), complex)
    for row, (f, p) in enumerate(states):
        if p + 1 < orders[f]:
            matrix[:, row, row + 1] = 1.0
        else:
            matrix[:, row] = highest[:, f]
    return np.asarray(np.linalg.eigvals(matrix))
