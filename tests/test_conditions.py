"""Conditions: their rows are the textbook formulas for known functions, and what can't be meant is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from known_fields import rows, sample, side
from torch import Tensor

from kanpde.errors import ProblemError
from kanpde.geometry.box import Box
from kanpde.problem.block import Block
from kanpde.problem.boundary_values import value_function
from kanpde.problem.conditions import Condition, Constraint, Data, Dirichlet, Initial, Neumann, Periodic, Robin
from kanpde.problem.problem import Problem

X, Y, T = sp.symbols("x y t", real=True)


@dataclass(frozen=True)
class Plate(Problem):
    """One field in the plane and time, with an exact solution that has no symmetry."""

    condition: Any = None

    domain = Box(x=(-1, 2), y=(0.5, 1), t=(0.25, 1))

    def residual(self, u, x, y, t):  # type: ignore[no-untyped-def]
        return u.t - u.xx - u.yy

    def conditions(self) -> dict[str, Constraint]:
        return {"it": self.condition}

    def exact(self, x, y, t):  # type: ignore[no-untyped-def]
        return sp.sin(2 * x + 1) * sp.exp(y) * (1 + t**3)


@dataclass(frozen=True)
class Pair(Problem):
    condition: Any = None

    fields = ("u", "v")
    domain = Box(x=(0, 1), t=(0, 1))
    unknowns = {"rate": 2.0}

    def residual(self, u, v, x, t):  # type: ignore[no-untyped-def]
        return u.t - v, v.t + u

    def conditions(self) -> dict[str, Constraint]:
        return {"it": self.condition}

    def exact(self, x, t):  # type: ignore[no-untyped-def]
        return x * sp.cos(t), -x * sp.sin(t)


@dataclass(frozen=True)
class Bare(Problem):
    condition: Any = None

    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u):  # type: ignore[no-untyped-def]
        return u.xx + u.yy

    def conditions(self) -> dict[str, Constraint]:
        return {"it": self.condition}


def exact_plate(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
    return torch.sin(2 * x + 1) * torch.exp(y) * (1 + t**3)


def u(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
    return x**2 * y + t**2 * x


def block(problem: Problem) -> Block:
    return problem.blocks(hard=True)[1]


def slope_outwards(points: Tensor) -> Tensor:
    """du/dn on the box's faces in space, by hand: +-u_x on x, +-u_y on y."""
    x, y, t = points.unbind(-1)
    (low_x, low_y, _), (high_x, high_y, _) = Plate.domain.low, Plate.domain.high
    u_x, u_y = 2 * x * y + t**2, x**2
    sign_x = (x == high_x).double() - (x == low_x).double()
    sign_y = (y == high_y).double() - (y == low_y).double()
    return sign_x * u_x + sign_y * u_y


def test_dirichlet_neumann_and_robin_are_their_formulas() -> None:
    for condition, expected in [
        (Dirichlet(3), lambda p: u(*p.unbind(-1)) - 3),
        (Neumann(lambda x, t: x + t), lambda p: slope_outwards(p) - p[:, 0] - p[:, 2]),
        (Robin(2, -0.5, X * Y), lambda p: 2 * u(*p.unbind(-1)) - 0.5 * slope_outwards(p) - p[:, 0] * p[:, 1]),
        (Robin(0, 2, 1), lambda p: 2 * slope_outwards(p) - 1),
    ]:
        problem = Plate(condition)
        found, points = rows(problem, block(problem), u)
        torch.testing.assert_close(found, expected(points)[None], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_initial_is_the_time_derivative_at_the_first_time(order: int) -> None:
    problem = Plate(Initial(5, order=order))
    found, points = rows(problem, block(problem), u)
    x, y, t = points.unbind(-1)
    assert (t == 0.25).all()
    expected = [x**2 * y + t**2 * x, 2 * t * x, 2 * x][order] - 5
    torch.testing.assert_close(found, expected[None], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "condition",
    [
        Dirichlet("exact"),
        Dirichlet("exact", on="t+"),
        Neumann("exact", on=["x-", "y"]),
        Robin(2, 3, "exact"),
        Robin(2, 0, "exact"),
        Initial("exact"),
        Initial("exact", order=1),
        Initial("exact", order=3),
        Initial(sp.sin(2 * X + 1) * sp.exp(Y) * (1 + sp.Rational(1, 64))),
        Dirichlet(sp.Symbol("x") * 0 + sp.sin(2 * sp.Symbol("x") + 1) * sp.exp(Y) * (1 + T**3)),
        Dirichlet(lambda x, y, t: exact_plate(x, y, t)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_exact_satisfies_what_is_said_of_it(condition: Constraint, dtype: torch.dtype) -> None:
    problem = Plate(condition)
    found, _ = rows(problem, block(problem), exact_plate, dtype=dtype)
    assert found.dtype == dtype
    assert found.abs().max() < (1e-13 if dtype == torch.float64 else 1e-4)
    other, _ = rows(problem, block(problem), u, dtype=dtype)
    assert other.abs().max() > 0.1


def test_exact_in_a_system_stands_for_all_fields() -> None:
    problem = Pair(Dirichlet("exact", on="x"))
    it = block(problem)
    assert it.components == ("u", "v")
    found, _ = rows(problem, it, lambda x, t: x * torch.cos(t), lambda x, t: -x * torch.sin(t))
    assert found.shape[0] == 2 and found.abs().max() < 1e-15
    one = Pair(Dirichlet("exact", on="x", field="v"))
    assert block(one).components == ("v",)
    assert rows(one, block(one), lambda x, t: 7 + 0 * x, lambda x, t: -x * torch.sin(t))[0].abs().max() < 1e-15


def test_periodic_compares_values_and_slopes_on_both_faces() -> None:
    problem = Plate(Periodic("x", order=2))
    it = block(problem)
    assert it.components == ("u", "u_x", "u_xx") and it.partials == {0: {(), (0,), (0, 0)}}
    period = 2 * np.pi / 3
    wave = rows(problem, it, lambda x, y, t: torch.sin(period * x + y) * t)[0]
    assert wave.abs().max() < 1e-13
    found, points = rows(problem, it, lambda x, y, t: x**2 * y)
    y = points[:, 1]
    torch.testing.assert_close(found, torch.stack([3 * y, 6 * y, 0 * y]))


def test_periodic_images_are_exactly_on_the_faces() -> None:
    problem = Plate(Periodic("x"))
    points, _ = sample(problem, block(problem))
    low, high = block(problem).images(points)
    assert torch.equal(low, points) and (high[:, 0] == 2).all() and torch.equal(high[:, 1:], points[:, 1:])
    assert (low[:, 0] == -1).all()


def test_data_is_read_as_a_whole_or_by_index() -> None:
    points = np.array([[0.0, 0.6, 0.3], [1.0, 0.7, 0.5], [2.0, 1.0, 1.0]])
    problem = Plate(Data(points, [1.0, 2.0, 3.0]))
    it = block(problem)
    assert it.points is not None and np.array_equal(it.points, points) and it.faces == ()
    place = torch.from_numpy(points)
    whole = it.evaluate((side(problem, place, u),), None, {})
    torch.testing.assert_close(whole[0], u(*place.unbind(-1)) - torch.tensor([1.0, 2.0, 3.0]).double())
    chosen = torch.tensor([2, 0])
    part = it.evaluate((side(problem, place[chosen], u),), chosen, {})
    assert torch.equal(part[0], whole[0][chosen])


def test_data_of_a_system_measures_one_field_or_all() -> None:
    points = [[0.5, 0.5], [1.0, 0.0]]
    assert block(Pair(Data(points, [[1, 2], [3, 4]]))).components == ("u", "v")
    assert block(Pair(Data(points, [1, 2], field="v"))).components == ("v",)
    with pytest.raises(ProblemError, match="field="):
        Pair(Data(points, [1, 2])).blocks()


def test_condition_is_any_residual_on_any_face() -> None:
    problem = Pair(Condition(lambda u, v, x, rate: (u.x * rate - x, v), on=["x+", "t+"], weight=4.0))
    it = block(problem)
    assert it.components == ("it_1", "it_2") and it.weight == 4
    assert it.partials == {0: {(0,)}, 1: {()}}
    found, points = rows(problem, it, lambda x, t: x**2, lambda x, t: t, rate=3.0)
    x, t = points.unbind(-1)
    torch.testing.assert_close(found, torch.stack([6 * x - x, t]))


def test_only_needed_partials_are_asked_for() -> None:
    for condition, needed in [
        (Dirichlet(0), {()}),
        (Neumann(0, on="x"), {(0,)}),
        (Neumann(0), {(0,), (1,)}),
        (Robin(1, 1, 0, on="y+"), {(), (1,)}),
        (Initial(0, order=2), {(2, 2)}),
        (Periodic("y", order=0), {()}),
    ]:
        assert block(Plate(condition)).partials == {0: needed}


def test_gradients_flow_to_what_the_fields_look_up() -> None:
    from kanpde.problem.block import Side
    from kanpde.problem.field import Field

    for condition in (Dirichlet("exact"), Neumann(1), Robin(1, 2, 0), Condition(lambda u: u.x**2 + u)):
        problem = Plate(condition)
        it = block(problem)
        points, index = sample(problem, it)
        tensors = {p: torch.rand(len(points), dtype=torch.float64, requires_grad=True) for p in it.partials[0]}
        field = Field("u", problem.domain.names, tensors.__getitem__)
        it.evaluate((Side(points, (field,)),), index, {}).sum().backward()
        assert all(tensor.grad is not None and tensor.grad.abs().max() > 0 for tensor in tensors.values())


def test_derivatives_of_callables_are_sympys() -> None:
    problem = Plate(Dirichlet(0))
    points, _ = sample(problem, block(problem))
    formula = sp.sin(X * Y) + T**3
    for partial in [(), (0,), (0, 1), (2, 2), (0, 2), (2, 2, 2, 2)]:
        by_autograd = value_function(lambda x, y, t: torch.sin(x * y) + t**3, problem, 0, partial)
        by_sympy = value_function(formula, problem, 0, partial)
        torch.testing.assert_close(by_autograd(points), by_sympy(points), rtol=1e-12, atol=1e-12)
    assert (value_function(lambda: 3.0, problem, 0, (0,))(points) == 0).all()


@pytest.mark.parametrize("value", [2, 2.0, np.float64(2), np.array(2.0), torch.tensor(2.0), sp.S(2), lambda: 2])
def test_numbers_of_every_kind(value: object) -> None:
    assert (value_function(value, Plate(), 0)(torch.zeros(3, 3)) == torch.full((3,), 2.0)).all()


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Plate(Dirichlet(0, on="z+")), r"condition 'it' of plate.*'z\+'"),
        (Plate(Dirichlet(0, field="w")), "'w'.*known: u"),
        (Plate(Dirichlet("exakt")), "'exakt'"),
        (Plate(Dirichlet(None)), "NoneType"),
        (Plate(Dirichlet(float("nan"))), "nan"),
        (Plate(Dirichlet(sp.Symbol("z"))), "symbol z"),
        (Plate(Dirichlet(lambda z: z)), "'z'"),
        (Plate(Dirichlet(lambda x: x[:2])), "shape"),
        (Plate(Dirichlet(lambda x: x.numpy())), "torch tensor"),
        (Plate(Dirichlet(lambda x: torch.log(x - 10))), "finite values on x-"),
        (Plate(Dirichlet(lambda x: 1 / 0)), "ZeroDivisionError"),
        (Plate(Dirichlet(torch.sin)), "lambda"),
        (Plate(Dirichlet(0, weight=-1)), "weight"),
        (Plate(Dirichlet(0, weight=float("inf"))), "weight"),
        (Plate(Robin(0, 0, 1)), "not both zero"),
        (Plate(Robin("a", 1, 1)), "numbers a and b"),
        (Plate(Periodic("z")), "'z'"),
        (Plate(Periodic("x", order=-1)), "order"),
        (Plate(Initial(0, order=1.5)), "order"),
        (Plate(Initial(0, order=2, hard=True)), "can't be built"),
        (Plate(Neumann(0, hard=True)), "can't be built"),
        (Plate(Robin(1, 1, 0, hard=True)), "can't be built"),
        (Plate(Condition(lambda u: u, hard=True)), "can't be built"),
        (Plate(Data([[0, 0.6, 0.3]], [0], hard=True)), "can't be built"),
        (Plate(Data([[0, 0.6]], [0])), r"shape \(n, 3\)"),
        (Plate(Data([[0, 0.6, 0.3]], [0, 1])), "shape"),
        (Plate(Data([[0, 0.6, 9]], [0])), "inside"),
        (Plate(Data([[0, 0.6, 0.3]], [np.nan])), "finite values"),
        (Plate(Data([["a", 0.6, 0.3]], [0])), "array of numbers"),
        (Plate(Condition(lambda u, q: u)), "'q'"),
        (Plate(Condition(lambda u: u.sum())), "shape"),
        (Plate(Condition(3)), "function"),  # type: ignore[arg-type]
        (Bare(Initial(0)), "coordinate t"),
        (Bare(Dirichlet("exact")), "exact"),
        (Pair(Dirichlet(0, on="x")), "field=.*u, v"),
        (Plate(0), "such as Dirichlet"),
    ],
)
def test_what_cannot_be_meant_is_refused(problem: Problem, said: str) -> None:
    with pytest.raises(ProblemError, match=said) as caught:
        problem.blocks()
    assert "\n" not in str(caught.value)


def test_points_on_several_faces_need_an_index() -> None:
    problem = Plate(Neumann(0))
    it = block(problem)
    points, _ = sample(problem, it)
    with pytest.raises(ValueError, match="index"):
        it.evaluate((side(problem, points, u),), None, {})
