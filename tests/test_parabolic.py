"""When the first slab of an evolution may be all of time: only where a maximum principle bounds errors."""

from __future__ import annotations

import pytest
import sympy as sp
import torch
from march_problems import march_of, task_of
from unsolved_problems import PI, ROD, X, backward, problem

from kanpde import Condition, Dirichlet, Initial, Neumann, Periodic, Robin, load_problem

START = {"start": Initial(sp.sin(PI * X))}
ENDS = {"ends": Dirichlet(0, on="x")}


def rod(residual, conditions=None):
    return problem(ROD, residual, {**START, **(ENDS if conditions is None else conditions)})


DECAY = {
    "heat": rod(lambda u: u.t - u.xx),
    "heat of the other sign": rod(lambda u: 3 * u.xx - u.t),
    "drift and decay": rod(lambda u, x: u.t - (1 + x) * u.xx + 5 * u.x + 100 * u),
    "slow growth": rod(lambda u: u.t - u.xx - 0.9 * u),
    "a source in time": rod(lambda u, t: u.t - u.xx - torch.sin(9 * t)),
    "insulated": rod(lambda u: u.t - u.xx, {"ends": Neumann(0, on="x")}),
    "a circle": rod(lambda u: u.t - u.xx + u.x, {"around": Periodic("x")}),
    "two kinds of ends": rod(lambda u: u.t - u.xx, {"left": Dirichlet(1, on="x-"), "right": Neumann(0, on="x+")}),
}
NOT = {
    "backward": backward(1.0),
    "backward in a part": rod(lambda u, x: u.t - (x - 0.02) * u.xx),
    "backward after a time": rod(lambda u, t: u.t - (0.5 - t) * u.xx),
    "a short change": rod(lambda u, t: u.t - (1 + torch.exp(-(((t - 0.5) / 1e-3) ** 2))) * u.xx),
    "fast growth": rod(lambda u: u.t - u.xx - 2 * u),
    "nonlinear": rod(lambda u: u.t - (1 + u**2) * u.xx),
    "waves": rod(lambda u: u.tt - u.xx, {**ENDS, "rest": Initial(0, order=1)}),
    "transport": rod(lambda u: u.t + u.x, {"inflow": Dirichlet(0, on="x-")}),
    "dispersion": rod(lambda u: u.t + u.xxx, {**ENDS, "slope": Neumann(0, on="x+")}),
    "a bending beam": rod(lambda u: u.t + u.xxxx, {**ENDS, "slopes": Neumann(0, on="x")}),
    "no ends": rod(lambda u: u.t - u.xx, {}),
    "one end": rod(lambda u: u.t - u.xx, {"left": Dirichlet(0, on="x-")}),
    "both data at one end": rod(lambda u: u.t - u.xx, {"u": Dirichlet(0, on="x-"), "slope": Neumann(0, on="x-")}),
    "a source at an end": rod(
        lambda u: u.t - u.xx, {"left": Robin(-20, 1, 0, on="x-"), "right": Dirichlet(0, on="x+")}
    ),
    "a derivative along time": rod(lambda u: u.t - u.xx, {"ends": Condition(lambda u: u.t, on="x")}),
}


@pytest.mark.parametrize("name", DECAY)
def test_errors_decay_where_a_maximum_principle_says_so(name):
    assert task_of(DECAY[name]).decays and task_of(DECAY[name]).first_slab == 1.0


@pytest.mark.parametrize("name", NOT)
def test_elsewhere_slabs_begin_short(name):
    assert not task_of(NOT[name]).decays and task_of(NOT[name]).first_slab < 1.0


def test_an_audit_has_the_same_degrees_in_time_as_the_march():
    task = task_of(DECAY["heat"])
    usual = task_of(NOT["backward"]).degree_in_time
    assert task.degree_in_time == usual + task.tolerances.decaying


def test_the_first_pass_solves_the_heat_equation_in_one_slab():
    march = march_of(load_problem("heat"))
    while march.state.best is None:
        march.step()
    (slab,) = march.state.best.slabs
    assert (slab.low, slab.high) == (0.0, 1.0) and slab.residual <= march.task.tolerances.passes[0]
