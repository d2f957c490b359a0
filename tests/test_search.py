"""The search: formulas planted with errors are found again, side by side, and nothing is found in nothing."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from planted import Planted, first, interpolated, problem_of, torsion

from kanpde import Box, Dirichlet, Initial, load_problem
from kanpde.calculus.expressions import real_expression
from kanpde.symbolic.constants.fit import refit
from kanpde.symbolic.families.proposal import Proposal, constant
from kanpde.symbolic.proposals import in_turn
from kanpde.symbolic.search import SOLVED, Candidate, beside, candidates, joint, score
from kanpde.training.fitting.samples import regression

x, y, t = sp.symbols("x y t", real=True)


def agrees(found, problem):
    """Whether expressions are the exact solution, at random points."""
    points = problem.domain.interior(np.random.default_rng(1).random((20, problem.domain.dimension)))
    found = found if isinstance(found, dict) else {problem.fields[0]: found}
    for name, exact in zip(problem.fields, problem.exact_functions(), strict=True):
        difference = sp.lambdify([sp.Symbol(n, real=True) for n in problem.domain.names], found[name] - exact)
        assert np.max(np.abs(np.broadcast_to(difference(*points.T), 20))) < 1e-9, (name, found[name], exact)


@pytest.mark.parametrize(
    ("name", "error", "seed"),
    [
        *[("two_mode_diffusion", 1e-3, seed) for seed in range(3)],
        *[("poisson_sum", 1e-3, seed) for seed in range(3)],
        ("advection_diffusion", 1e-6, 0),
        ("poisson_kan", 1e-6, 0),
        ("heat_kernel", 1e-3, 0),
        ("fisher_front", 1e-6, 0),
        ("klein_gordon_3d", 1e-6, 0),
        ("kovasznay", 1e-6, 0),
    ],
)
def test_planted_solutions_are_found(name, error, seed):
    problem = load_problem(name)
    agrees(first(candidates(Planted(problem, error, seed), seconds=120, seed=seed)), problem)


def test_a_mode_beside_a_particular_solution_is_found():
    exact = x * (1 - x) / 2 + sp.exp(-(sp.pi**2) * t) * sp.sin(sp.pi * x)
    conditions = {"start": Initial("exact"), "ends": Dirichlet(0, on="x")}
    problem = problem_of(Box(x=(0, 1), t=(0, 1)), lambda u: u.t - u.xx - 1, exact, conditions=lambda self: conditions)
    agrees(first(candidates(Planted(problem, 1e-6), seconds=120, seed=0)), problem)


def test_an_ordinary_equation_is_solved():
    exact = 2 * sp.exp(-t) - sp.exp(-2 * t)
    conditions = {"start": Initial(1), "rest": Initial(0, order=1)}
    problem = problem_of(Box(t=(0, 3)), lambda u: u.tt + 3 * u.t + 2 * u, exact, conditions=lambda self: conditions)
    agrees(first(candidates(Planted(problem, 1e-3), seconds=120, seed=0)), problem)


def test_the_search_ends_by_itself_and_repeats_itself():
    problem = load_problem("poisson")
    runs = [list(candidates(Planted(problem, 1e-4), seconds=120, seed=3)) for _ in range(2)]
    assert 1 <= len(runs[0]) <= SOLVED and runs[0][0] == runs[1][0]
    ansatz, constants = runs[0][0]
    assert refit(ansatz, constants, problem).residual < 1e-13
    assert ansatz.free_symbols == {*constants, *real_expression(sp.Symbol("x") + sp.Symbol("y"), "xy").free_symbols}


@pytest.mark.parametrize("control", ["torsion", "burgers"])
def test_nothing_is_found_where_there_is_no_closed_form(control):
    conditions = {"boundary": Dirichlet(0)}
    square = problem_of(Box(x=(-1, 1), y=(-1, 1)), lambda u: u.xx + u.yy + 1, conditions=lambda self: conditions)
    burgers = load_problem("burgers", viscosity=0.2)
    problem, values = {"torsion": (square, torsion), "burgers": (burgers, interpolated(burgers))}[control]
    found = list(candidates(Planted(problem, 1e-6, evaluate=values), seconds=5, seed=0))
    residuals = [refit(ansatz, constants, problem, evaluations=1).residual for ansatz, constants in found[:5]]
    assert min(residuals, default=1.0) > 1e-7


def test_a_solution_that_is_not_finite_ends_the_search():
    planted = Planted(load_problem("heat"), 1e-6)
    planted.evaluate = lambda points, partial=(): np.full((len(points), 1), np.nan)
    lines = []
    assert list(candidates(planted, 10, 0, lines.append)) == [] and "not finite" in lines[-1]


def test_progress_is_told_in_words():
    lines = []
    list(candidates(Planted(load_problem("heat"), 1e-6), 120, 0, lines.append, ["sin", "exp"]))
    assert any("u: separated with rank 1 x 1" in line for line in lines)
    assert any("residual" in line for line in lines)


def proposal(name, number=0):
    symbol = constant(number)
    return Proposal(name, symbol * x, {symbol: 1.0}, 0.1, 0.0)


def test_families_take_turns():
    families = [iter([proposal("a"), proposal("a")]), iter([proposal("b")])]
    assert [p.family for p in in_turn(families)] == ["a", "b", "a"]


def test_fields_are_joined_best_first_and_share_no_constant():
    streams = [iter([proposal("a"), proposal("b")]), iter([proposal("c"), proposal("d")])]
    pairs = list(joint(streams))
    assert [tuple(p.family for p in pair) for pair in pairs] == [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]
    assert all(not set(one.constants) & set(other.constants) for one, other in pairs)
    assert list(joint([iter([proposal("a")]), iter([])])) == []


def test_fields_share_what_stands_beside_the_same_coordinate():
    a, b, c = (constant(i) for i in range(3))
    assert beside(a * sp.exp(b * x) * sp.sin(c * t), b) == {x} and beside(sp.exp(b * x) * sp.sin(c * t), c) == {t}
    assert beside(a * x, a) == frozenset()


def test_a_field_of_a_system_may_vanish():
    def residual(u, v, p):
        return u.xx + u.yy - p.x, v.xx + v.yy - p.y, u.x + v.y

    conditions = {
        "u": Dirichlet(y * (1 - y), field="u"),
        "v": Dirichlet(0, field="v"),
        "p": Dirichlet(1 - 2 * x, on="x-", field="p"),
    }
    exact = (y * (1 - y), sp.S.Zero, 1 - 2 * x)
    members = {"fields": ("u", "v", "p"), "conditions": lambda self: conditions}
    problem = problem_of(Box(x=(0, 1), y=(0, 1)), residual, exact, **members)
    assert first(candidates(Planted(problem, 1e-8), seconds=120, seed=0))["v"] == 0


def test_of_noisy_data_more_constants_must_explain_more_than_noise():
    constants = {constant(k): 1.0 for k in range(8)}
    few, many = (Candidate((x,), dict([*constants.items()][:count]), 0.01) for count in (3, 8))
    data = regression(np.linspace(0, 1, 1000), np.linspace(0, 1, 1000), validation=0.0, seed=0)
    closer = Candidate(many.expressions, many.constants, 0.01 * np.sqrt(992 / 997))  # of eight constants by chance
    assert score(few, data) < score(closer, data) < score(many, data)
    assert score(closer, load_problem("heat")) < score(few, load_problem("heat"))
    assert score(Candidate(many.expressions, many.constants, 0.005), data) < score(few, data)
