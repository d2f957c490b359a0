"""Problems: residuals matched by name, partials found by looking, solutions compared with calculus, slips refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from equations import Fisher, Swing
from known_fields import rows

from kanpde.errors import ProblemError
from kanpde.geometry.box import Box
from kanpde.problem.conditions import Data, Dirichlet, Initial, Neumann, Periodic
from kanpde.problem.declaration import snake_case
from kanpde.problem.field import Field, parse_partial
from kanpde.problem.problem import Problem
from kanpde.problem.registry import load_problem


def with_residual(function: Any, **attributes: Any) -> Problem:
    """A problem on the unit square of x and t with this residual."""
    members = {"domain": Box(x=(0, 1), t=(0, 1)), "residual": staticmethod(function), **attributes}
    return type("Trial", (Problem,), members)()


def partials(problem: Problem) -> dict[int, set[tuple[int, ...]]]:
    return {i: set(found) for i, found in problem.blocks()[0].partials.items()}


# Fields


def tensor_of(partial: tuple[int, ...]) -> torch.Tensor:
    """A value that tells the partials apart: the digits of the multi-index, and 1 for the value."""
    return torch.full((4,), float("".join(str(axis + 2) for axis in partial) or 1), dtype=torch.float64)


def test_partials_are_read_in_any_order() -> None:
    u = Field("u", ("x", "t"), tensor_of)
    assert u.x[0] == 2 and u.t[0] == 3 and u.xt[0] == u.tx[0] == 23 and u.xtx[0] == u.txx[0] == u.d("x", "t", "x")[0]
    assert u.xxxx[0] == 2222 and u.d()[0] == 1


def test_long_names_are_parsed() -> None:
    names = ("r", "theta", "th", "t")
    assert parse_partial("rtheta", names) == (0, 1)
    assert parse_partial("thetatheta", names) == (1, 1)
    assert parse_partial("thth", names) == (2, 2)
    assert parse_partial("tth", names) == (2, 3)
    assert parse_partial("tthe", names) is None
    # Greed alone would take "ab" first and be stuck at "c".
    assert parse_partial("abc", ("a", "ab", "bc")) == (0, 2)


def test_a_field_acts_as_its_values() -> None:
    value = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    u = Field("u", ("x",), lambda partial: value)
    other = torch.tensor([1.5, 2.0, -1.0], dtype=torch.float64)
    for found, expected in [
        (u + 1, value + 1), (1 + u, value + 1), (u - other, value - other), (other - u, other - value),
        (2 * u, 2 * value), (other * u, other * value), (u / other, value / other), (1 / u, 1 / value),
        (u**2, value**2), (2**u, 2**value), (-u, -value), (+u, value), (abs(u), abs(value)), (u % 2, value % 2),
        (u * u, value * value), (np.float64(2) * u, 2 * value), (u > 0, value > 0), (u <= 1, value <= 1),
        (u == value, value == value), (torch.sin(u), torch.sin(value)), (u.sin(), torch.sin(value)),
        (torch.where(u > 0, u, 0 * u), torch.relu(value)), (torch.stack([u, other]), torch.stack([value, other])),
        (torch.maximum(other, u), torch.maximum(other, value)), (u[1:], value[1:]),
    ]:  # fmt: skip
        assert isinstance(found, torch.Tensor) and torch.equal(found, expected)
    assert u.shape == (3,) and u.dtype == torch.float64 and len(u) == 3


def test_only_what_is_asked_for_is_looked_up() -> None:
    asked: list[tuple[int, ...]] = []
    u = Field("u", ("x", "t"), lambda partial: asked.append(partial) or torch.ones(2))
    repr(u), hash(u), u.xt
    assert asked == [(0, 1)]


def test_an_unknown_partial_names_the_coordinates() -> None:
    u = Field("u", ("x", "t"), tensor_of)
    for ask in (lambda: u.yy, lambda: u.d("y")):
        with pytest.raises(ProblemError, match="'yy?'.*x, t"):
            ask()
    # Python's own questions are answered as Python expects.
    assert not hasattr(u, "__array__") and not hasattr(u, "_ipython_display_")


# The residual


def test_the_residual_is_found_by_its_argument_names() -> None:
    problem = Fisher(rate=3.0)
    block = problem.blocks()[0]
    assert (block.name, block.kind, block.components, block.faces) == ("residual", "residual", ("residual",), ())
    assert partials(problem) == {0: {(), (1,), (0, 0)}}
    found, points = rows(problem, block, lambda x, t: x**2 * t)
    x, t = points.unbind(-1)
    torch.testing.assert_close(found[0], x**2 - 2 * t - 3 * x**2 * t * (1 - x**2 * t), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("function", "needed"),
    [
        (lambda u: u.x, {(0,)}),
        (lambda t, u: t * u.txx, {(0, 0, 1)}),
        (lambda u: u.xxxx + u.d("t", "x") + u, {(), (0, 1), (0, 0, 0, 0)}),
        (lambda u: torch.sqrt(u) + torch.log(u.x), {(), (0,)}),
        (lambda u, **rest: u.tt - rest["x"], {(1, 1)}),
        (lambda u, x, scale=2.0: scale * u * x, {()}),
        (lambda u: u, {()}),
    ],
)
def test_the_partials_are_found(function: Any, needed: set[tuple[int, ...]]) -> None:
    assert partials(with_residual(function)) == {0: needed}


def test_systems_and_unknowns() -> None:
    assert Swing().blocks()[0].components == ("first", "second")
    pair = with_residual(lambda u, v, k: (u.x - k * v, v.x), fields=("u", "v"), unknowns={"k": 2})
    block = pair.blocks()[0]
    assert block.components == ("residual_1", "residual_2") and partials(pair) == {0: {(0,)}, 1: {(0,), ()}}
    found, points = rows(pair, block, lambda x, t: x**2, lambda x, t: t, k=5.0)
    torch.testing.assert_close(found, torch.stack([2 * points[:, 0] - 5 * points[:, 1], 0 * points[:, 0]]))


def test_gradients_flow_to_the_unknowns() -> None:
    problem = with_residual(lambda u, k: u.t - k * u.xx, unknowns={"k": 0.5})
    from kanpde.problem.block import Side

    points = torch.rand(3, 2, dtype=torch.float64)
    k = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    side = Side(points, (Field("u", ("x", "t"), lambda partial: points[:, 0]),))
    problem.blocks()[0].evaluate((side,), None, {"k": k}).sum().backward()
    assert k.grad == -points[:, 0].sum()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda u, q: u, "'q'.*known: t, u, x"),
        (lambda u: u.yy, "'yy'.*x, t"),
        (lambda u: (u.t - u.xx).sum(), r"shape \(n,\).*got shape \(\)"),
        (lambda u: torch.stack([u, u]), r"shape \(n,\).*got shape \(2, 7\)"),
        (lambda u: (u.x, u.x[:3]), r"got shape \(3,\)"),
        (lambda u: u > 0, "bool"),
        (lambda u: 0, "shape"),
        (lambda u: None, "NoneType"),
        (lambda u: (), "at least one"),
        (lambda x, t: x - t, "none of the fields"),
        (lambda u: u.x.nonesuch, r"test_problem.py, line \d+\): AttributeError"),
        (lambda u: np.sin(u), "TypeError"),
    ],
)
def test_slips_in_a_residual_are_told(function: Any, said: str) -> None:
    with pytest.raises(ProblemError, match=said) as caught:
        with_residual(function).blocks()
    assert "the residual of trial" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"domain": None}, "domain such as Box"),
        ({"fields": "u"}, r"tuple of names such as \('u',\)"),
        ({"fields": ()}, "tuple of names"),
        ({"fields": ("d",)}, "'d'"),
        ({"fields": ("x",)}, "'x' twice"),
        ({"fields": ("u", "u")}, "'u' twice"),
        ({"unknowns": {"t": 1.0}}, "'t' twice"),
        ({"unknowns": ["k"]}, "dict"),
        ({"unknowns": {"k": float("nan")}}, "finite number, got nan"),
        ({"unknowns": {"k": "a"}}, "number to start from, got 'a'"),
        ({"residual": None}, "residual"),
        ({"conditions": lambda self: [Dirichlet(0)]}, "dict name -> condition, got list"),
        ({"conditions": lambda self: {"residual": Dirichlet(0)}}, "other than 'residual'"),
        ({"conditions": lambda self: {"a": 0}}, "such as Dirichlet.*'a', got int"),
        ({"conditions": lambda self: 1 / 0}, "ZeroDivisionError"),
        ({"exact": lambda self, x, z: x, "conditions": lambda self: {"a": Dirichlet("exact")}}, "'z'"),
    ],
)
def test_slips_in_a_problem_are_told(attributes: dict[str, Any], said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        with_residual(attributes.pop("residual", lambda u: u.x), **attributes).blocks()


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), np.float64("nan")])
def test_parameters_are_finite(rate: float) -> None:
    with pytest.raises(ProblemError, match="rate of fisher expected a finite number"):
        Fisher(rate=rate).blocks()


# Names, parameters, conditions


def test_names_and_parameters() -> None:
    assert Fisher(rate=2.0).name == "fisher" and Fisher(rate=2.0).parameters() == {"rate": 2.0}
    assert Swing().parameters() == {}
    assert [snake_case(n) for n in ("AllenCahn", "KdV", "FisherKPP", "Heat2D")] == [
        "allen_cahn", "kd_v", "fisher_kpp", "heat2_d",
    ]  # fmt: skip


def test_hard_conditions_are_apart() -> None:
    hard, soft = Dirichlet("exact", on="x", hard=True), Initial("exact")
    problem = with_residual(
        lambda u: u.x,
        exact=lambda self, x, t: x,
        conditions=lambda self: {"a": hard, "b": soft, "c": Periodic("x", hard=True)},
    )
    assert [block.name for block in problem.blocks()] == ["residual", "b"]
    assert [block.name for block in problem.blocks(hard=True)] == ["residual", "a", "b", "c"]
    assert problem.hard_conditions()[0] == ("a", hard) and len(problem.hard_conditions()) == 2


# Solutions


def test_exact_values_and_gradient_are_calculus() -> None:
    points = np.random.default_rng(0).random((9, 1)) * 3
    t = points[:, 0]
    np.testing.assert_allclose(Swing().exact_values(points), np.stack([np.cos(t), -np.sin(t)], 1), rtol=1e-15)
    np.testing.assert_allclose(
        Swing().exact_gradient(points), np.stack([-np.sin(t), -np.cos(t)], 1)[:, :, None], rtol=1e-15
    )
    assert Swing().exact_functions() == (sp.cos(sp.Symbol("t", real=True)), -sp.sin(sp.Symbol("t", real=True)))
    assert with_residual(lambda u: u.x).exact_functions() is None


@pytest.mark.parametrize("result", [3, sp.S(3), (3,), [3.0], {"u": 3}])
def test_exact_may_be_a_constant_in_any_wrapping(result: object) -> None:
    problem = with_residual(lambda u: u.x, exact=lambda self: result)
    assert problem.exact_values(np.zeros((4, 2))).tolist() == [[3.0]] * 4
    assert problem.exact_gradient(np.zeros((4, 2))).tolist() == [[[0.0, 0.0]]] * 4


@pytest.mark.parametrize(
    ("exact", "said"),
    [
        (lambda self, x, y: x, "'y'"),
        (lambda self, x: (x, x), "1 solutions for u, got 2"),
        (lambda self, x: {"v": x}, "fields u, got v"),
        (lambda self, x: "x", "SymPy expression"),
        (lambda self, x: sp.Symbol("k") * x, "symbol k"),
        (lambda self, x: x + sp.sqrt("("), "exact of trial"),
        (lambda self, x: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_slips_in_exact_are_told(exact: Any, said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        with_residual(lambda u: u.x, exact=exact).exact_functions()


def test_reference_is_used_where_exact_is_missing() -> None:
    points = np.random.default_rng(0).random((5, 2))
    one = with_residual(lambda u: u.x, reference=lambda self, t, x: x - t)
    np.testing.assert_array_equal(one.reference_values(points), (points[:, 0] - points[:, 1])[:, None])
    two = with_residual(lambda u, v: u.x, fields=("u", "v"), reference=lambda self, x, t: {"v": t, "u": x})
    np.testing.assert_array_equal(two.reference_values(points), points)
    assert with_residual(lambda u: u.x).reference_values(points) is None
    both = with_residual(lambda u: u.x, exact=lambda self, x: x, reference=lambda self, x: 0 * x)
    np.testing.assert_array_equal(both.reference_values(points), points[:, :1])
    with pytest.raises(ProblemError, match=r"shape \(5,\), got shape \(2,\)"):
        with_residual(lambda u: u.x, reference=lambda self, x: x[:2]).reference_values(points)


def test_a_true_solution_passes_the_check() -> None:
    assert Fisher(rate=7.0).check_exact() == []
    assert Swing().check_exact() == []
    assert with_residual(lambda u: u.x).check_exact() == []


def test_a_false_solution_is_told_by_the_parts_it_misses() -> None:
    class Wrong(Swing):
        def exact(self, t):
            return sp.cos(t), sp.sin(t)

    (warning,) = Wrong().check_exact()
    assert "does not satisfy 'residual'" in warning

    class WrongStart(Swing):
        def exact(self, t):
            return sp.sin(t), sp.cos(t)

    assert ["'u0'" in w or "'v0'" in w for w in WrongStart().check_exact()] == [True, True]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_check_is_relative(scale: float) -> None:
    def problem(error: float) -> Problem:
        return with_residual(
            lambda u: (u.t - u.xx) * scale,
            exact=lambda self, x, t: scale * (1 + error * x**3) * sp.exp(-(sp.pi**2) * t) * sp.sin(sp.pi * x),
            conditions=lambda self: {"ends": Dirichlet(0, on="x"), "flux": Neumann("exact", on="x")},
        )

    assert problem(0).check_exact() == []
    assert len(problem(1e-3).check_exact()) == 1


def test_the_check_finds_the_unknowns() -> None:
    problem = with_residual(
        lambda u, k: u.t - k * u.xx,
        unknowns={"k": 0.1},
        exact=lambda self, x, t: sp.exp(-4 * t) * sp.sin(2 * x),
        conditions=lambda self: {"seen": Data([[0.5, 0.5]], [3.0])},
    )
    assert problem.check_exact() == []


def test_the_check_tells_of_numbers_that_are_not_finite() -> None:
    problem = with_residual(lambda u: u, exact=lambda self, x, t: sp.log(x - 2))
    assert "not finite" in problem.check_exact()[0]


def test_blocks_are_kept_until_an_attribute_changes() -> None:
    problem = load_problem("heat")
    first = problem.blocks(hard=True)
    assert all(one is other for one, other in zip(first, problem.blocks(hard=True), strict=True))
    object.__setattr__(problem, "residual", lambda u: u.t - 2 * u.xx)
    assert problem.blocks(hard=True)[0] is not first[0]
    assert pickle.loads(pickle.dumps(load_problem("heat"))).blocks(hard=True)[0].partials == first[0].partials
