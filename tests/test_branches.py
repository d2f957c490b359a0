"""Several solutions of one problem: found by deflation, told by the audit, and named by a guess."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import ellipk

from kanpde import Box, Dirichlet, Initial, Problem, branches, solve
from kanpde.errors import ConfigurationError, ProblemError
from kanpde.marching.audit.branches import deflation


class Explosion(Problem):
    """u'' + 2 exp(u) = 0, u = 0 at both ends: Bratu's equation has two solutions."""

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.xx + 2 * torch.exp(u.d())

    def conditions(self):
        return {"ends": Dirichlet(0)}


class Lower(Explosion):
    def guess(self, x):
        return x * (1 - x)


class Pendulum(Problem):
    """u'' + sin u = 0, u = 0 at both ends: at rest, or swinging to either side."""

    domain = Box(s=(0, 5))

    def residual(self, u, s):
        return u.ss + torch.sin(u.d())

    def conditions(self):
        return {"ends": Dirichlet(0)}


class Monotone(Problem):
    """u'' = u^3 + 10, u = 1 at both ends: one solution, because u^3 increases."""

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.xx - u**3 - 10

    def conditions(self):
        return {"ends": Dirichlet(1)}


class Decay(Problem):
    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - u.xx + u**3

    def conditions(self):
        return {"start": Initial(0), "ends": Dirichlet(0, on="x")}


def test_both_solutions_of_bratus_equation_are_found():
    # u = 2 log(cosh(r/4) / cosh((x - 1/2) r/2)) with r = 2 cosh(r/4)
    tops = [
        2 * math.log(math.cosh(brentq(lambda r: r - 2 * math.cosh(r / 4), *ends, xtol=1e-15) / 4))
        for ends in ((0, 4), (4, 20))
    ]
    found = [float(each(x=np.array([0.5]))[0]) for each in branches(Explosion(), 3)]
    assert found == pytest.approx(tops, abs=1e-10)


def test_a_pendulum_swings_to_either_side():
    tops = sorted(float(each(s=np.array([2.5]))[0]) for each in branches(Pendulum(), 3))
    assert tops[1] == pytest.approx(0, abs=1e-12) and tops[0] == pytest.approx(-tops[2], abs=1e-9)
    # The quarter period of the swing is the complete elliptic integral K(sin(top / 2)).
    assert ellipk(math.sin(tops[2] / 2) ** 2) == pytest.approx(2.5, abs=1e-9)


def test_the_audit_tells_of_another_solution_unless_a_guess_names_one():
    open_ended, named, only = solve(Explosion()), solve(Lower()), solve(Monotone())
    assert open_ended.verdict == "doubtful"
    assert any("another solution exists" in reason and "2.89" in reason for reason in open_ended.reasons)
    assert named.verdict == "solved" and only.verdict == "solved"
    assert len(branches(Monotone(), 2)) == 1


def test_a_deflated_step_is_newtons_step_of_the_deflated_equation():
    # F(u) = (u - 1)(u - 3) with the pole 1: the step of (1 + σ²/(u - 1)²) F by its own derivative
    u, size = 4.2, 0.7

    def deflated(v):
        return (1 + size**2 / (v - 1) ** 2) * (v - 1) * (v - 3)

    slope = (deflated(u + 1e-6) - deflated(u - 1e-6)) / 2e-6
    plain = -(u - 1) * (u - 3) / (2 * u - 4)
    gap, change = torch.tensor([u - 1]), torch.tensor([plain])
    assert deflation([gap.double()], change.double(), size) * plain == pytest.approx(-deflated(u) / slope, rel=1e-6)


def test_branches_are_those_of_stationary_problems():
    with pytest.raises(ProblemError, match="expected a stationary problem"):
        branches(Decay())
    with pytest.raises(ProblemError, match="without unknowns, parts and guess"):
        branches(Lower())
    with pytest.raises(ConfigurationError, match="most=0"):
        branches(Explosion(), 0)


class Fold(Explosion):
    """Bratu's equation just before the fold at 3.51383, where its two solutions are near each other."""

    def residual(self, u, x):
        return u.xx + 3.5138 * torch.exp(u.d())


def test_the_other_solution_just_before_a_fold_is_found() -> None:
    """The rows along the weakest direction tell how near it is."""
    solution = solve(Fold(), device="cpu")
    assert solution.verdict == "doubtful"
    assert [reason for reason in solution.audit().reasons if reason.startswith("another solution exists")]
