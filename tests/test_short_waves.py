"""Evolutions in which short waves grow without bound are found, and no others."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor
from unsolved_problems import problem

from kanpde import Box, Dirichlet, Disk, Initial
from kanpde.calculus.jets import JetPlan
from kanpde.marching.audit.short_waves import Amplified, amplified_waves
from kanpde.network.trial_function import Model

ROD, PLATE = Box(x=(-1, 3), t=(0, 2)), Box(x=(0, 1), y=(0, 2), t=(0, 1))


class Constant:
    """Fields that are one number everywhere."""

    size = 1  # number of parameters

    def __init__(self, value: float, fields: int) -> None:
        self.value, self.fields = value, fields

    def jets_at(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Return the number and derivatives of zero, (n, partials, fields)."""
        jets = torch.zeros(len(points), len(plan), self.fields, dtype=torch.float64)
        jets[:, plan.index[()]] = self.value
        return jets


def found(residual: Any, fields: tuple[str, ...] = ("u",), orders: int = 1, *, domain: Any = ROD) -> Amplified | None:
    """Return the place where waves about a constant state of 0.5 grow without bound."""
    starts = {f"{f}{m}": Initial(0, field=f, order=m) for f in fields for m in range(orders)}
    rims = {f"rim of {f}": Dirichlet(0, field=f) for f in fields}
    made = problem(domain, residual, {**starts, **rims}, fields)
    return amplified_waves(made, cast(Model, Constant(0.5, len(fields))), {})


@pytest.mark.parametrize(
    ("residual", "fields", "orders"),
    [
        (lambda u: u.t + u.xx, ("u",), 1),
        (lambda u: u.t - u.xx - 0.1 * u.xxxx, ("u",), 1),
        (lambda u: u.t + 1e-4 * u.xx - 30 * u.x, ("u",), 1),
        (lambda u: u.t - (u - 0.6) * u.xx, ("u",), 1),  # a diffusivity that is negative at the solution
        (lambda u: u.tt + u.xx, ("u",), 2),
        (lambda u: u.tt - u.xx - u.xxxx, ("u",), 2),  # Boussinesq's "bad" equation
        (lambda a, b: (a.t - b.x, b.t + a.x), ("a", "b"), 1),  # Cauchy and Riemann's equations
        (lambda a, b: (a.t - a.xx - 3 * b.xx, b.t - b.xx - 3 * a.xx), ("a", "b"), 1),  # too much cross diffusion
    ],
)
def test_unbounded_growth(residual: Any, fields: tuple[str, ...], orders: int) -> None:
    assert found(residual, fields, orders) is not None


@pytest.mark.parametrize(
    ("residual", "fields", "orders"),
    [
        (lambda u: u.t - u.xx - 50 * u, ("u",), 1),  # grows, at a rate with a bound
        (lambda u: u.t + u.xx + 1e-3 * u.xxxx, ("u",), 1),  # long waves grow, short ones do not
        (lambda u: u.t + u.x + u.xxx, ("u",), 1),
        (lambda u: u.t + u * u.x - u.xxt, ("u",), 1),
        (lambda u, t: u.t - (2 - t) * u.xx, ("u",), 1),
        (lambda u: u.tt - 4 * u.xx + u.t, ("u",), 2),
        (lambda u: u.tt + u.xxxx, ("u",), 2),
        (lambda a, b: (a.t + b.xx, b.t - a.xx), ("a", "b"), 1),  # Schrödinger's equation
        (lambda a, b: (a.t + b.x, b.t), ("a", "b"), 1),  # weakly hyperbolic: waves grow like a polynomial
        (lambda a, b: (a.t - a.xx - 0.5 * b.xx, b.t - b.xx - 0.5 * a.xx), ("a", "b"), 1),
        (lambda a, p: (a.t - a.xx + p.x, p.xx - a.x), ("a", "p"), 1),  # p has no derivative in time
    ],
)
def test_bounded_growth(residual: Any, fields: tuple[str, ...], orders: int) -> None:
    assert found(residual, fields, orders) is None


def test_the_place_is_where_the_coefficient_is_negative() -> None:
    place = found(lambda u, x: u.t - torch.cos(x) * u.xx)
    assert place is not None
    assert place.point["x"] > torch.pi / 2


def test_only_a_diagonal_wave_grows() -> None:
    """The matrix ((1, 3/2), (3/2, 1)) has the eigenvalue −1/2 of (1, −1)."""
    assert found(lambda u: u.t - u.xx - u.yy - 3 * u.xy, domain=PLATE) is not None
    assert found(lambda u: u.t - u.xx - u.yy - 1 * u.xy, domain=PLATE) is None


def test_shapes_have_the_same_waves() -> None:
    disk = Disk((0, 0), 1) * Box(t=(0, 1))
    assert found(lambda u: u.t + u.xx + u.yy, domain=disk) is not None
    assert found(lambda u: u.t - u.xx - u.yy, domain=disk) is None
