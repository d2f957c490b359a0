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

BOXES = [name for name in sorted(discover()) if isinstance(load_problem(name).domain, Box)]


class Random:
    """Fields whose values and derivatives are independent random numbers."""

    def __init__(self, fields: int) -> None:
        self.fields = fields

    def jets_at(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Return random numbers (n, partials, fields) between 0 and 1."""
        generator = torch.Generator().manual_seed(0)
        return torch.rand(len(points), len(plan), self.fields, generator=generator, dtype=torch.float64)


def found(made: Problem) -> Uncounted | None:
    """Return the axis along which conditions are missing."""
    return missing_conditions(made, cast(Model, Random(len(made.fields))), {})


@pytest.mark.parametrize("name", BOXES)
def test_shipped_problems_have_all_conditions(name: str) -> None:
    assert found(load_problem(name)) is None


ENDS, SIDES = {"ends": Dirichlet(0)}, {"sides": Dirichlet(0, on="x")}
LEFT, START = {"left": Dirichlet(0, on="x-")}, {"start": Initial(0)}


@pytest.mark.parametrize(
    ("domain", "residual", "conditions", "expected"),
    [
        (LINE, lambda u: -1e-9 * u.xx + u.x - 1, LEFT, Uncounted("x", 2, 1)),
        (LINE, lambda u: u.xxxx - 1, ENDS, Uncounted("x", 4, 2)),
        (LINE, lambda u: u.xx - u, {"round": Periodic("x", order=0)}, Uncounted("x", 2, 1)),
        (ROD, lambda u: u.t + u.x - 1e-9 * u.xx, {**START, **LEFT}, Uncounted("x", 2, 1)),
        (ROD, lambda u: u.tt - u.xx, {**START, **SIDES}, Uncounted("t", 2, 1)),
        (SQUARE, lambda u: u.xx + u.yy, SIDES, Uncounted("y", 2, 0)),
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
    assert sound({**starts, "wall": Dirichlet(0, on="x-", field="v")}) == Uncounted("x", 2, 1)
    assert sound({**starts, "both": Condition(lambda p, v: (p, v), on="x-")}) is None
