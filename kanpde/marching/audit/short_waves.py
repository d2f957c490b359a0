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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.geometry.domain import Domain, interior_points
from kanpde.marching.evolution import evolves
from kanpde.marching.separable.structure import plain
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem

Integers = npt.NDArray[np.intp]

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
    domain, equation = problem.domain, problem.blocks()[0]
    if not evolves(problem) or not plain(equation) or equation.place is not None:
        return None
    random = np.random.default_rng(0)
    points = interior_points(domain, POINTS, lambda count, dimension: random.random((count, dimension)))
    placed = Placed.at(equation, domain.names, torch.from_numpy(points), None)
    with torch.no_grad():
        jets = [model.jets_at(placed.images[0], placed.plan).double().cpu()]
    slopes = np.stack([slope.by_jets[0].numpy() for slope in placed.slopes(jets, unknowns)[1]], axis=1)
    found = Symbol(domain.time or 0, placed.plan.partials, slopes)
    known = np.flatnonzero(np.isfinite(slopes).all(axis=(1, 2, 3)))
    if not len(known) or slopes.shape[1] != slopes.shape[3]:
        return None
    worst = [fastest(found.at(known), along / (domain.high - domain.low)) for along in directions(domain)]
    rate, place = max(worst, default=(0.0, 0))
    return Amplified(dict(zip(domain.names, points[known[place]].tolist(), strict=True))) if rate > SHARE else None


def directions(domain: Domain) -> Iterator[Array]:
    """Yield the directions of waves: along every axis in space, and along both diagonals of every two."""
    unit = np.eye(domain.dimension)
    yield from unit[list(domain.space)]
    for a, b in itertools.combinations(domain.space, 2):
        yield unit[a] + unit[b]
        yield unit[a] - unit[b]


def fastest(symbol: Symbol, along: Array) -> tuple[float, int]:
    """Return the largest rate of growth of waves along a vector, relative to the mean size of λ, and where it is.

    It is zero if the rate has a bound.
    """
    long, short = (symbol.exponents(size * along) for size in WAVES)
    if long is None or short is None:
        return 0.0, 0
    rates = [found.real.max(axis=1) for found in (long, short)]
    unbounded = np.where(rates[1] > GROWING * np.maximum(rates[0], 0.0), rates[1], 0.0)
    place = int(unbounded.argmax())
    return float(unbounded[place]) / max(float(np.abs(short).max(axis=1).mean()), 1e-300), place


@dataclass(frozen=True, eq=False)
class Symbol:
    """The linearised rows (n, f, partials, f) at points, whose `time` is an axis of the partials."""

    time: int
    partials: Sequence[MultiIndex]
    slopes: Array

    def at(self, places: Integers) -> Symbol:
        """Return the symbol at some of the points."""
        return replace(self, slopes=self.slopes[places])

    def exponents(self, wave: Array) -> Array | None:
        """Return the numbers λ (n, s) of a wave vector k (d,); None if highest derivatives do not determine fields."""
        fields, order = self.slopes.shape[3], max(partial.count(self.time) for partial in self.partials)
        powers = np.zeros((order + 1, len(self.slopes), fields, fields), complex)
        for a, partial in enumerate(self.partials):
            factor = np.prod([1j * wave[axis] for axis in partial if axis != self.time])
            powers[partial.count(self.time)] += factor * self.slopes[:, :, a]
        orders = [max((p for p in range(order + 1) if powers[p, :, :, f].any()), default=0) for f in range(fields)]
        if not all(orders):
            return None
        leading = np.stack([powers[orders[f], :, :, f] for f in range(fields)], axis=-1)
        sizes = np.linalg.svd(leading, compute_uv=False)
        if not (sizes[:, -1] > SINGULAR * sizes[:, 0]).all():
            return None
        # The states are the fields and their derivatives in time below the highest one.
        states = [(f, p) for f in range(fields) for p in range(orders[f])]
        matrix = np.zeros((len(self.slopes), len(states), len(states)), complex)
        lower = np.stack([powers[p, :, :, f] for f, p in states], axis=-1)
        highest = -np.linalg.solve(leading, lower)
        for row, (f, p) in enumerate(states):
            if p + 1 < orders[f]:
                matrix[:, row, row + 1] = 1.0
            else:
                matrix[:, row] = highest[:, f]
        return np.asarray(np.linalg.eigvals(matrix))
