"""Families of proposals beyond plain products: what each sees, and that it sees nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from planted import Planted, first, problem_of

from kanpde import Box, Dirichlet, Initial, Neumann, certify
from kanpde.symbolic import symbolification
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.families import cole_hopf, travelling
from kanpde.symbolic.families.liouville import prefactors
from kanpde.symbolic.families.nested import nested
from kanpde.symbolic.families.ordinary import general
from kanpde.symbolic.families.polynomial import polynomial_in_one
from kanpde.symbolic.families.proposal import evaluated
from kanpde.symbolic.families.separated import Separation
from kanpde.symbolic.families.similarity import profile_proposals, radial, reductions
from kanpde.symbolic.proof.simplification import tidy
from kanpde.symbolic.proposals import Hints, proposals
from kanpde.symbolic.search import candidates
from kanpde.symbolic.structure.atoms import VARIABLE, library
from kanpde.symbolic.structure.factors import antiderivative, closures, subspace
from kanpde.symbolic.structure.outer_functions import peel
from kanpde.symbolic.structure.sampled import sample
from kanpde.symbolic.symbolification import symbolify

r, x, y, z, t = sp.symbols("r x y z t", real=True)
ERROR = 1e-10


def field(expression, domain, residual=lambda u: u, error=ERROR):
    return sample(Planted(problem_of(domain, residual, expression), error))[0]


def misfit(proposal, of):
    values = evaluated(proposal.expression, proposal.constants, dict(zip(of.names, of.coordinates, strict=True)))
    return of.norm(values - of.values) / of.norm()


# The equation's own solutions -----------------------------------------------------------------------------------------


def solutions(residual, expression, domain, linear=True, functions=None):
    problem = problem_of(domain, residual, expression)
    one = sample(Planted(problem, ERROR))[0]
    return [misfit(p, one) for p in general(one, problem, Clock(60), functions, linear)]


def test_linear_ordinary_equations_give_their_own_solutions():
    found = solutions(lambda u, x: x**2 * u.xx + x * u.x + 4 * u, sp.cos(2 * sp.log(x)), Box(x=(1, 4)))
    assert min(found) < 1e-8
    assert solutions(lambda u, x: u.xx - x * u, x, Box(x=(0, 1))) == []  # Airy's functions are not elementary
    assert solutions(lambda u, x: u.xx + 4 * u, sp.sin(2 * x), Box(x=(0, 1)), functions=["exp"]) == []


def test_constants_that_come_in_nonlinearly_are_tried():
    riccati, domain = (lambda u: u.x - 1 - u**2), Box(x=(0, 1))
    assert min(solutions(riccati, sp.tan(x), domain, linear=False)) < 1e-8
    assert solutions(riccati, sp.tan(x), domain, linear=True) == []


def test_the_factor_without_first_derivative_is_read_off_the_equation():
    ball = problem_of(Box(r=(1, 2), t=(0, 1)), lambda u, r: u.t - u.rr - 2 * u.r / r)
    assert prefactors(ball) == {0: 1 / VARIABLE}
    assert prefactors(problem_of(Box(x=(0, 1), t=(0, 1)), lambda u: u.t - u.xx)) == {}
    assert prefactors(problem_of(Box(x=(0, 1), t=(0, 1)), lambda u: u.t + u * u.x - u.xx)) == {}
    u = field(sp.exp(-(sp.pi**2) * t) * sp.sin(sp.pi * r) / r, ball.domain)
    assert next(Separation(u, "", prefactors=prefactors(ball)).quick()).misfit < 1e-8
    assert next(Separation(u, "").quick()).misfit > 1e-6


# Factors --------------------------------------------------------------------------------------------------------------


def test_values_at_the_nodes_are_integrated():
    nodes, _ = np.polynomial.legendre.leggauss(20)
    found = np.ptp(nodes) * antiderivative(20) @ np.cos(nodes)
    np.testing.assert_allclose(found, np.sin(nodes) + np.sin(1), atol=1e-14)


def test_more_waves_than_ranks_are_told_apart():
    modes = sp.sin(sp.pi * x) * sp.sin(sp.pi * y) + sp.sin(5 * sp.pi * x) * sp.sin(sp.pi * y) / 10
    u = field(modes + sp.sin(3 * sp.pi * x) * sp.sin(2 * sp.pi * y) / 4, Box(x=(0, 1), y=(0, 1)))
    # Three amplitudes, three wave numbers in x, two in y.
    assert min(p.misfit for p in Separation(u, "").quick() if len(p.constants) == 8) < 1e-8


def test_five_modes_are_found_where_the_error_shows_five():
    modes = sum(sp.exp(-(k**2) * t) * sp.sin(k * x) / k for k in range(1, 6))
    u = field(modes, Box(x=(0, 3), t=(0, 1)), error=0.0)
    assert next(Separation(u, "").quick()).misfit < 1e-8


def test_powers_are_the_exponentials_of_the_logarithm():
    u = field((r**2 - r**-2) * sp.sin(2 * t), Box(r=(1, 2), t=(0, 1)))
    found = [[*start] for bases, start in closures(subspace(u, 0, 1)) if all(b.name == "power" for b in bases)]
    assert any(np.allclose(sorted(start), [-2, 2], atol=1e-5) for start in found if len(start) == 2)


@pytest.mark.parametrize(
    "factor", [1 / sp.cos(x), 1 / (1 + x**2), sp.exp(sp.sin(2 * x)), 1 / (2 + sp.exp(-3 * x)), sp.sqrt(1 + x**2)]
)
def test_factors_of_two_levels(factor):
    u = field(factor * sp.exp(-t), Box(x=(-1, 1), t=(0, 1)))
    assert min(f.misfit for f in nested(subspace(u, 0, 1), u.error)) < 1e-8
    assert next(Separation(u, "").quick()).misfit < 1e-8


@pytest.mark.parametrize("factor", [x * sp.exp(-(x**2)), x * (1 - x) * sp.exp(x), x**2 * sp.cos(3 * x) + sp.sin(3 * x)])
def test_polynomials_times_bells_exponentials_and_waves(factor):
    u = field(factor, Box(x=(0, 2)))
    assert min(p.misfit for p in proposals(u, library())) < 1e-8


# Two waves, coefficients, circles -------------------------------------------------------------------------------------


def test_two_pulses_that_run_through_each_other():
    pulses = sp.exp(-((x - 2 * t) ** 2)) + sp.exp(-((x + 2 * t) ** 2)) / 2
    u = field(pulses, Box(x=(-3, 3), t=(0, 1)))
    assert travelling.speed(u) == pytest.approx(2)
    assert next(travelling.two_waves(u, library(["gaussian"]))).misfit < 1e-6
    assert travelling.speed(field(sp.exp(-t) * sp.sin(x), Box(x=(0, 2), t=(0, 1)))) is None
    assert travelling.speed(field(sp.exp(x) * sp.sin(y), Box(x=(0, 1), y=(0, 1)))) is None


def test_a_gaussian_whose_variance_changes():
    variance = 1 + sp.exp(-2 * t)
    u = field(sp.exp(-(x**2) / (2 * variance)) / sp.sqrt(variance), Box(x=(-3, 3), t=(0, 1)), error=0.0)
    name, w, wrap = next(peel(u))
    found = min(polynomial_in_one(w, name, wrap), key=lambda p: len(p.constants))
    assert misfit(found, u) < 1e-7 and len(found.constants) <= 7
    assert not [*polynomial_in_one(field(sp.sin(x * t), Box(x=(0, 3), t=(1, 3))), "u", lambda w: w)]


def test_circles_in_three_dimensions():
    domain = Box(x=(1, 2), y=(1, 2), z=(1, 2))
    found = radial(field(1 / sp.sqrt((x - 3) ** 2 + y**2 + z**2), domain))
    assert found.number < found.threshold and [*found.constants.values()] == pytest.approx([3])
    found = radial(field(sp.exp(x) * sp.sin(y) * z, domain))
    assert found is None or found.number > found.threshold


def test_a_ratio_is_taken_by_what_stays_away_from_zero():
    u = field(sp.atan(y / x), Box(x=(1, 2), y=(0, 1)))
    (form,) = [reduction for reduction in reductions(u) if reduction.name == "x u_x, t u_t, u"]
    assert form.variable.has(y) and sp.diff(form.variable, y, 2) == 0
    assert next(profile_proposals(u, library(["atan"]), form)).misfit < 1e-6


# Logarithmic derivatives ----------------------------------------------------------------------------------------------


def burgers(u):
    return 2 * (u.t + 3 * u * u.x - 0.1 * u.xx)


def test_burgers_equation_in_any_scaling_and_no_other():
    domain = Box(x=(0, 1), t=(0, 1))
    found = cole_hopf.transformation(problem_of(domain, burgers))
    assert (found.rate, found.advection, found.diffusion) == (2, 6, -sp.Rational(1, 5))
    assert found.factor == -sp.Rational(1, 15)
    for residual in (lambda u: u.t - u.xx, lambda u: burgers(u) + u, lambda u: u.t + u**2 * u.x - u.xx):
        assert cole_hopf.transformation(problem_of(domain, residual)) is None


def test_the_way_to_the_heat_equation_and_back():
    heat = 2 + sp.exp(-(sp.pi**2) * t / 10) * sp.cos(sp.pi * x)
    exact = -sp.Rational(1, 15) * sp.diff(heat, x) / heat
    problem = problem_of(Box(x=(0, 1), t=(0, 1)), burgers, exact)
    u = sample(Planted(problem, 0.0))[0]
    d, back = cole_hopf.transformed(u, cole_hopf.transformation(problem))
    expected = evaluated(heat, {}, dict(zip(u.names, u.coordinates, strict=True)))
    ratio = d.values / expected
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-9)
    np.testing.assert_allclose(d.first[1], 0.1 * d.second[0], atol=1e-8)
    assert sp.simplify(back(heat) - exact) == 0
    families = Hints(problem, Clock(60), None).logarithmic(u, library(["sin", "exp"]))
    assert min(p.misfit for family in families for p in family) < 1e-8


# From problem to proof ------------------------------------------------------------------------------------------------


def test_linear_constants_are_solved_for_together():
    conditions = {"top": Dirichlet(sp.sin(sp.pi * x), on="y+"), "rest": Dirichlet(0, on=["x", "y-"])}
    problem = problem_of(Box(x=(0, 1), y=(0, 1)), lambda u: u.xx + u.yy, conditions=lambda self: conditions)
    a, b, k, m = sp.symbols("a b k m", real=True)
    ansatz = (a * sp.exp(m * y) + b * sp.exp(-m * y)) * sp.sin(k * x)
    found = certify(ansatz, {a: 0.043, b: -0.043, k: 3.14, m: 3.14}, problem)
    assert found.proved and sp.simplify(found.constants["a"] - 1 / (2 * sp.sinh(sp.pi)).rewrite(sp.exp)) == 0


def test_pairs_of_exponentials_are_hyperbolic_functions_where_that_is_shorter():
    e = sp.exp
    assert tidy((e(2 - 2 * x) + e(2 * x + 2)) / (1 + e(4))) == sp.cosh(2 * x) / sp.cosh(2)
    sinh = (e(sp.pi * y) - e(-sp.pi * y)) * e(sp.pi) * sp.sin(sp.pi * x) / (-1 + e(2 * sp.pi))
    assert tidy(sinh) == sp.sin(sp.pi * x) * sp.sinh(sp.pi * y) / sp.sinh(sp.pi)
    for plain in (e(-t) - e(-2 * t), 1 / (1 + e(-x)), e(-((x - t) ** 2)) + e(-((x + t) ** 2))):
        assert not tidy(plain).has(sp.sinh, sp.cosh)


def test_rates_that_are_roots_of_a_quadratic_equation():
    problem = problem_of(
        Box(x=(0, 1)),
        lambda u: u.xx - u.x - u,
        conditions=lambda self: {"left": Dirichlet(2, on="x-"), "slope": Neumann(-1, on="x-")},
    )
    a, b, p, q = sp.symbols("a b p q", real=True)
    found = certify(a * sp.exp(p * x) + b * sp.exp(q * x), {a: 1, b: 1, p: -0.6, q: 1.6}, problem)
    assert found.proved and {found.constants["p"], found.constants["q"]} == {(1 - sp.sqrt(5)) / 2, (1 + sp.sqrt(5)) / 2}


def test_roots_of_squares_are_proved():
    problem = problem_of(
        Box(x=(-1, 1)),
        lambda u: u.xx - torch.sqrt(1 + u.x**2),
        conditions=lambda self: {"ends": Dirichlet(sp.cosh(1), on="x")},
    )
    a, b = sp.symbols("a b", real=True)
    assert certify(a * (sp.exp(b * x) + sp.exp(-b * x)), {a: 0.5, b: 1.0}, problem).proved


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


def test_the_search_goes_on_past_what_is_not_proved(monkeypatch):
    """1/(1 - t) is the limit of c tan(c t + d), which solves the equation to round-off for a small c as well."""
    problem = problem_of(
        Box(t=(0, 0.5)), lambda u: u.t - u**2, 1 / (1 - t), conditions=lambda self: {"start": Initial(1)}
    )
    c = sp.Symbol("constant_0", real=True)
    degenerate = (c * sp.tan(c * t + sp.atan(1 / c)), {c: 1e-7})
    right = (1 / (1 - c * t), {c: 1.0})
    monkeypatch.setattr(symbolification, "candidates", lambda *arguments: iter([degenerate, right]))
    formula = symbolify(Planted(problem, 1e-8))
    assert formula.proved and formula.expression == 1 / (1 - t)


def test_an_error_of_algebra_costs_no_more_than_the_formula(monkeypatch):
    def broken(*arguments):
        raise np.linalg.LinAlgError("SVD did not converge")
        yield

    monkeypatch.setattr(symbolification, "candidates", broken)
    lines = []
    problem = problem_of(Box(x=(0, 1)), lambda u: u.xx, x, conditions=lambda self: {"ends": Dirichlet(x, on="x")})
    formula = symbolify(Planted(problem, 1e-8), progress=lines.append)
    assert formula.status == "none" and any("LinAlgError" in line for line in lines)
