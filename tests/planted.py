"""Solutions of known functions with an error added on purpose, as a training would leave one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy as sp
from numpy.polynomial import chebyshev

from kanpde.problem.exact import exact_values
from kanpde.problem.problem import Problem

Evaluate = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]


class Planted:
    """The exact solution of a problem, or other values, plus waves of the relative size `error`."""

    def __init__(self, problem: Problem, error: float, seed: int = 0, evaluate: Evaluate | None = None) -> None:
        self.problem, self.estimate = problem, error
        self._exact = evaluate or (lambda points, partial: exact_values(problem, points, partial))
        random, domain = np.random.default_rng(seed), problem.domain
        self._waves = random.uniform(-6, 6, (5, domain.dimension)) / (domain.high - domain.low)
        self._phases, self._sizes = random.uniform(0, 6, 5), random.normal(size=(5, len(problem.fields)))
        points = domain.interior(random.random((500, domain.dimension)))
        self._sizes *= error / 2 * np.sqrt(np.mean(self._exact(points, ()) ** 2, axis=0))

    def evaluate(self, points: np.ndarray, partial: tuple[int, ...] = ()) -> np.ndarray:
        angles = points @ self._waves.T + self._phases + len(partial) * np.pi / 2
        slopes = np.prod([self._waves[:, axis] for axis in partial], axis=0)
        return self._exact(points, partial) + (np.sin(angles) * slopes) @ self._sizes


def problem_of(domain: Any, residual: Any, exact: Any = None, **members: Any) -> Problem:
    """A problem whose exact solution is an expression."""
    own = {"exact": lambda self: exact} if exact is not None else {}
    given = {"domain": domain, "residual": staticmethod(residual), **own, **members}
    return type("Planned", (Problem,), given)()


def torsion(points: np.ndarray, partial: tuple[int, ...] = (), terms: int = 40) -> np.ndarray:
    """-(u_xx + u_yy) = 1 on (-1, 1)², u = 0 around: Timoshenko's series, which has no closed form. (n, 1)"""
    x, y = points[:, 0], points[:, 1]
    along, across = partial.count(0), partial.count(1)
    total = np.polyval(np.polyder([-0.5, 0, 0.5], along), x) if not across else 0 * x
    for k in np.arange(1, 2 * terms, 2) * np.pi / 2:
        # cosh(k y) / cosh(k) without overflow
        up, down = np.exp(k * (y - 1)), np.exp(-k * (y + 1))
        column = (up + (-1) ** across * down) / (1 + np.exp(-2 * k)) * k**across
        wave = np.cos(k * x + along * np.pi / 2) * k**along
        total = total - 2 * np.sin(k) / k**3 * wave * column
    return total[:, None]


def first(found: Iterator[Any]) -> Any:
    """The first of them, and the search ended."""
    ansatz, constants = next(found)
    found.close()
    return ansatz.subs(constants) if isinstance(ansatz, sp.Expr) else {k: e.subs(constants) for k, e in ansatz.items()}


def interpolated(problem: Problem, degree: int = 40) -> Evaluate:
    """The reference of a problem in two coordinates as a Chebyshev series, which can be differentiated."""
    low, high = problem.domain.low, problem.domain.high
    unit = chebyshev.chebpts1(degree + 1)
    points = np.stack(np.meshgrid(unit, unit, indexing="ij"), axis=-1).reshape(-1, 2)
    matrix = chebyshev.chebvander2d(*points.T, [degree, degree])
    values = problem.reference_values(low + (high - low) * (points + 1) / 2)
    series = np.linalg.solve(matrix, values[:, 0]).reshape(degree + 1, degree + 1)

    def evaluate(points: np.ndarray, partial: tuple[int, ...] = ()) -> np.ndarray:
        own = series
        for axis in partial:
            own = chebyshev.chebder(own, scl=2 / (high - low)[axis], axis=axis)
        return chebyshev.chebval2d(*(2 * (points - low) / (high - low) - 1).T, own)[:, None]

    return evaluate
