"""Along every axis conditions are counted: as many as the order of the equation, or the solution is not unique."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor
from unsolved_problems import LINE, ROD, SQUARE, problem

from kanpde import Box, Condition, Dirichlet, Initial, Integral, Neumann, Periodic, Problem, load_problem
from kanpde.calculus.jets import JetPlan
from kanpde.marching.audit.missing_conditions import Uncounted, missing_conditions
from kanpde.network.trial_function import Model
from kanpde.problem.registry import discover


class Random:
    """Fields whose values and derivatives are independent random numbers."""

    size = 1  # number of parameters

    def __init__(self, fields: int) -> None:
        self.fields = fields

    def jets_at(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Return random numbers (n, partials, fields) between 0 and 1."""
        generator = torch.Generator().manual_seed(0)
        return torch.rand(len(points), len(plan), self.fields, generator=generator, dtype=torch.float64)


def found(made: Problem) -> Uncounted | None:
    """Return the axis along which conditions are missing."""
    return missing_conditions(made, cast(Model, Random(len(made.fields))), {})


@pytest.mark.parametrize("name", sorted(discover()))
def test_shipped_problems_have_all_conditions(name: str) -> None:
    assert found(load_problem(name)) is None


ENDS, SIDES = {"ends": Dirichlet(0)}, {"sides": Dirichlet(0, on="x")}
LEFT, START = {"left": Dirichlet(0, on="x-")}, {"start": Initial(0)}


@pytest.mark.parametrize(
    ("domain", "residual", "conditions", "expected"),
    [
        (LINE, lambda u: -1e-9 * u.xx + u.x - 1, LEFT, Uncounted("along x", 2, 1)),
        (LINE, lambda u: u.xxxx - 1, ENDS, Uncounted("along x", 4, 2)),
        (LINE, lambda u: u.xx - u, {"round": Periodic("x", order=0)}, Uncounted("along x", 2, 1)),
        (ROD, lambda u: u.t + u.x - 1e-9 * u.xx, {**START, **LEFT}, Uncounted("on the face 'x+'", 1, 0)),
        (ROD, lambda u: u.tt - u.xx, {**START, **SIDES}, Uncounted("along t", 2, 1)),
        (SQUARE, lambda u: u.xx + u.yy, SIDES, Uncounted("on the face 'y-'", 1, 0)),
        (LINE, lambda u: u.xx - u, ENDS, None),
        (LINE, lambda u: u.xx - u, {**LEFT, "slope": Neumann(0, on="x-")}, None),
        (LINE, lambda u: u.xx - u, {"round": Periodic("x", order=1)}, None),
        (LINE, lambda u: u.xx, {**LEFT, "mean": Integral(1)}, None),
        (ROD, lambda u: u.t + u.x, {**START, **LEFT}, None),
        (ROD, lambda u: u.t + u.x + u.xxx, {**START, **SIDES, "s": Neumann(0, on="x+")}, None),
        # The leading coefficient vanishes somewhere, or the others have no bound: regular solutions need no condition.
        (LINE, lambda u, x: x * u.xx + u.x + x * u, {"right": Dirichlet(1, on="x+")}, None),
        (LINE, lambda u, x: u.xx + u.x / x + u, {"right": Dirichlet(1, on="x+")}, None),
        (Box(x=(-1, 1), t=(0, 1)), lambda u, x: u.t + x * u.x, START, None),
    ],
)
def test_conditions_are_counted(domain: Box, residual: Any, conditions: Any, expected: Uncounted | None) -> None:
    assert found(problem(domain, residual, conditions)) == expected


def test_a_system_needs_the_sum_of_its_orders() -> None:
    def sound(conditions: Any) -> Uncounted | None:
        return found(problem(ROD, lambda p, v: (p.t + v.x, v.t + p.x), conditions, ("p", "v")))

    starts = {"p": Initial(0, field="p"), "v": Initial(0, field="v")}
    assert sound({**starts, "walls": Dirichlet(0, on="x", field="v")}) is None
    assert sound({**starts, "wall": Dirichlet(0, on="x-", field="v")}) == Uncounted("along x", 2, 1)
    assert sound({**starts, "both": Condition(lambda p, v: (p, v), on="x-")}) is None


def without(name: str, dropped: str) -> Problem:
    """Return a shipped problem without one of its conditions."""
    whole = load_problem(name)
    kept = {key: value for key, value in whole.conditions().items() if key != dropped}
    fewer = type(whole.name, (type(whole),), {"conditions": lambda self: kept})
    return fewer()


@pytest.mark.parametrize(
    ("name", "dropped", "needed", "given"),
    [
        ("motz", "cold", 1, 0),
        ("four_holes", "charged", 1, 0),
        ("heat_disk", "rim", 1, 0),
        ("clamped_plate", "clamped", 2, 1),
        ("stokes", "v_walls", 2, 1),
        ("kirsch", "smooth", 2, 1),
    ],
)
def test_every_face_of_an_elliptic_equation_needs_conditions(name: str, dropped: str, needed: int, given: int) -> None:
    lack = found(without(name, dropped))
    assert lack is not None
    assert (lack.needed, lack.given) == (needed, given)


def test_all_data_on_one_side_are_too_few_on_the_other() -> None:
    """Hadamard's example, and a rod whose ends are both known at one of them."""
    both = {"value": Dirichlet(0, on="x-"), "slope": Neumann(0, on="x-")}
    assert found(problem(SQUARE, lambda u: u.xx + u.yy, {**both, "sides": Dirichlet(0, on="y")})) == Uncounted(
        "on the face 'x+'", 1, 0
    )
    assert found(problem(ROD, lambda u: u.t - u.xx, {**START, **both})) == Uncounted("on the face 'x+'", 1, 0)


def test_waves_of_first_order_may_all_come_in_on_one_side() -> None:
    starts = {f"{f}0": Initial(0, field=f) for f in ("p", "v")}
    inflow = {f"{f} in": Dirichlet(0, on="x-", field=f) for f in ("p", "v")}
    fast = problem(ROD, lambda p, v: (p.t + 2 * p.x + v.x, v.t + 2 * v.x + p.x), {**starts, **inflow}, ("p", "v"))
    assert found(fast) is None
