"""Random manufactured problems, and the ends of proofs that cannot succeed."""

from __future__ import annotations

import numpy as np
import pytest

from kanpde.bench.manufactured import manufactured_solutions, random_problem
from kanpde.bench.spoiled import CASES
from kanpde.calculus.expressions import numpy_function
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.continuation import Amplified, closed
from kanpde.marching.axes import SplineAxis, StillAxis, design_of
from kanpde.problem.conditions import Periodic


@pytest.mark.parametrize("name", CASES)
def test_a_random_problem_has_another_solution_for_every_draw_that_is_periodic_where_it_must_be(name: str) -> None:
    random = np.random.default_rng(0)
    first, second, again = (random_problem(CASES[name], r) for r in (random, random, np.random.default_rng(0)))
    domain = first.domain
    points = domain.low + np.random.default_rng(1).random((20, domain.dimension)) * (domain.high - domain.low)

    def values(problem: object, at: np.ndarray) -> np.ndarray:
        return np.stack([numpy_function(f, domain.names)(*at.T) for f in problem.exact_functions()])

    assert np.isfinite(values(first, points)).all()
    assert np.abs(values(first, points) - values(second, points)).max() > 1e-6
    assert (values(first, points) == values(again, points)).all()
    for condition in CASES[name].conditions.values():
        if isinstance(condition, Periodic):
            moved = points + np.eye(domain.dimension)[domain.names.index(condition.axis)]
            assert values(first, moved) == pytest.approx(values(first, points), abs=1e-12)


def test_bounds_of_random_problems_hold() -> None:
    cases = ("heat", "population", "string", "poisson")
    found = list(manufactured_solutions(lambda p, m: error_bound(p, m, 1000.0), 4, seed=3, names=cases))
    assert [each.case for each in found] == list(cases)
    assert all(each.bound is not None and not each.is_false and each.bound < 1e-8 for each in found)


def test_a_first_bound_that_is_far_too_large_ends_the_proof() -> None:
    tried = []

    def bound(delta: float) -> tuple[float, str]:
        tried.append(delta)
        return 1e5, "a line"

    with pytest.raises(Amplified, match="amplify errors too much"):
        closed(bound, linear=False)
    assert tried == [0.0]
    assert closed(bound, linear=True)[0] == 1e5


def test_a_still_axis_has_the_splines_that_vanish_at_both_ends() -> None:
    breakpoints = np.array([0.0, 0.3, 0.5, 1.0])
    axis, every = StillAxis(breakpoints, 5), SplineAxis(breakpoints, 5)
    x = np.linspace(0, 1, 37)
    assert axis.size == every.size - 2
    assert (design_of(axis, x, 3) == design_of(every, x, 3)[:, :, 1:-1]).all()
    assert design_of(axis, x, 1)[[0, -1]] == pytest.approx(0, abs=1e-15)  # B-splines are rounded there
