"""Values at points, and conditions on sections where some coordinates are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Condition, Dirichlet, Disk, Initial, Neumann, Point, Problem, certify, solve
from kanpde.errors import ProblemError


@dataclass(frozen=True)
class Flux(Problem):
    """Δu = -2 sin(x + y) with its flux prescribed everywhere: a constant is open."""

    pin: Any = Point({"x": 0.3, "y": 0.2}, "exact")
    domain: Any = Box(x=(0, 1), y=(0, 1))

    def residual(self, u, x, y):  # type: ignore[no-untyped-def]
        return u.xx + u.yy + 2 * torch.sin(x + y)

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"flux": Neumann("exact"), "pin": self.pin}

    def exact(self, x, y):  # type: ignore[no-untyped-def]
        return sp.sin(x + y) + 2


class Cooling(Problem):
    """u_t = u_xx with the value given at one end for all times, by a point."""

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):  # type: ignore[no-untyped-def]
        return u.t - u.xx

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"start": Initial("exact"), "left": Neumann("exact", on="x-"), "right": Point({"x": 1}, "exact")}

    def exact(self, x, t):  # type: ignore[no-untyped-def]
        return sp.exp(-t) * sp.sin(x + 1)


PINS = (Point({"x": 0.3, "y": 0.2}, "exact"), Condition(lambda u: u - 2 - np.sin(0.5), on={"y": 0.2, "x": 0.3}))


@pytest.mark.parametrize("domain", [Box(x=(0, 1), y=(0, 1)), Disk((0, 0), 1)])
@pytest.mark.parametrize("pin", PINS)
def test_a_value_at_a_point_pins_the_constant(domain: Any, pin: Any) -> None:
    solution = solve(Flux(pin, domain))
    assert solution.verdict == "solved"
    assert solution.errors()["max_error"] < 1e-10


def test_a_point_holds_for_every_time_and_a_formula_is_proved_with_it() -> None:
    solution = solve(Cooling())
    assert solution.errors()["relative_l2"] < 1e-10
    problem = Cooling()
    assert problem.check_exact() == []
    x, t = sp.symbols("x t", real=True)
    assert certify(sp.exp(-t) * sp.sin(x + 1), {}, problem).status == "proved"
    assert certify(sp.exp(-t) * sp.cos(x), {}, problem).status != "proved"


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        (Point({"x": 3, "y": 0}), "inside"),
        (Point({"z": 0}), "'z'"),
        (Point({}), "dict"),
        (Point({"x": float("nan"), "y": 0}), "finite number"),
        (Neumann(0, on={"x": 0.5}), "faces"),
        (Dirichlet(0, on={"x": 0.5}, hard=True), "faces"),
    ],
)
def test_mistakes_are_named(pin: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        Flux(pin).blocks()
