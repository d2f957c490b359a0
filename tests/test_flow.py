"""Conditions of flows: they are the equations that their names mean, and flows with closed forms satisfy them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from kanpde import Box, Dirichlet, Neumann, Problem, certify, inflow, no_slip, outflow, slip, solve
from kanpde.errors import ProblemError

x, y = sp.symbols("x y")
VISCOSITY = 0.1


def navier_stokes(u: Any, v: Any, p: Any) -> dict[str, Any]:
    return {
        "momentum_x": u * u.x + v * u.y + p.x - VISCOSITY * (u.xx + u.yy),
        "momentum_y": u * v.x + v * v.y + p.y - VISCOSITY * (v.xx + v.yy),
        "continuity": u.x + v.y,
    }


def flow(conditions: dict[str, Any], box: Box) -> Problem:
    own = {"domain": box, "fields": ("u", "v", "p"), "residual": staticmethod(navier_stokes)}
    return type("Flow", (Problem,), {**own, "conditions": lambda self: conditions})()


POISEUILLE = {"u": 1 - y**2, "v": sp.S.Zero, "p": 2 * sp.Rational(1, 10) * (2 - x)}
COUETTE = {"u": (1 + y) / 2, "v": sp.S.Zero, "p": sp.S.Zero}
CHANNEL, UPPER_HALF = Box(x=(0, 2), y=(-1, 1)), Box(x=(0, 2), y=(0, 1))
PIPE = {**inflow((1 - y**2, 0), on="x-"), **outflow("x+")}


@pytest.mark.parametrize(
    ("conditions", "box", "formula", "status"),
    [
        ({**PIPE, **no_slip("y")}, CHANNEL, POISEUILLE, "proved"),
        ({**PIPE, **no_slip("y+"), **slip("y-")}, UPPER_HALF, POISEUILLE, "proved"),  # half of it, by symmetry
        ({**PIPE, **slip("y")}, CHANNEL, POISEUILLE, "none"),  # it has a slope at the walls
        ({**PIPE, **no_slip("y", moving=(1, 0))}, CHANNEL, POISEUILLE, "none"),
        ({**no_slip("y-"), **no_slip("y+", moving=(1, 0)), **outflow(["x-", "x+"])}, CHANNEL, COUETTE, "proved"),
    ],
)
def test_flows_satisfy_the_conditions_that_are_meant(conditions, box, formula, status):
    assert certify(formula, {}, flow(conditions, box)).status == status


def test_a_channel_is_solved_from_its_names():
    solution = solve(flow({**PIPE, **no_slip("y")}, CHANNEL), training={"target": 1e-8})
    points = np.random.default_rng(0).random((2, 50)) * [[2], [2]] - [[0], [1]]
    found = solution(x=points[0], y=points[1])
    assert solution.verdict == "solved"
    assert np.abs(found["u"] - (1 - points[1] ** 2)).max() < 1e-7
    assert np.abs(found["p"] - 0.2 * (2 - points[0])).max() < 1e-7


def test_each_name_is_a_dict_of_plain_conditions():
    assert slip("y-") == {"u_slip_y-": Neumann(0, on="y-", field="u"), "v_slip_y-": Dirichlet(0, on="y-", field="v")}
    assert no_slip(["x", "y-"])["v_no_slip_x_y-"] == Dirichlet(0, on=["x", "y-"], field="v")
    assert inflow({"v": 2, "u": 1}, on="x-")["v_inflow_x-"] == Dirichlet(2, on="x-", field="v")
    assert set(outflow("x+")) == {"p_outflow_x+", "v_outflow_x+"}
    three = slip("z+", velocity=("u", "v", "w"))
    assert three["w_slip_z+"] == Dirichlet(0, on="z+", field="w") and len(three) == 3


def test_two_walls_of_one_kind_do_not_replace_each_other():
    assert len({**no_slip("y-"), **no_slip("y+", moving=(1, 0))}) == 4


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: inflow(1, on="x-"), "one value for each of u, v, got 1"),
        (lambda: inflow((1, 0, 0), on="x-"), "one value for each of u, v"),
        (lambda: no_slip("y", moving={"u": 1, "w": 0}), "one value for each of u, v"),
        (lambda: slip("rim"), r"such as x-, x\+, y-, y\+, got 'rim'; write a Condition"),
        (lambda: outflow("z+"), "expects faces of a box"),
    ],
)
def test_mistakes_are_told_in_one_line(wrong, words):
    with pytest.raises(ProblemError, match=words):
        wrong()
