"""Hard conditions hold whatever the network says, the jets are derivatives, and what can't be built is refused."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_fields import partial_by_autograd
from torch import Tensor

from kanpde.calculus.jets import JetPlan, product
from kanpde.errors import ProblemError
from kanpde.geometry.box import Box
from kanpde.problem.block import Block, Side
from kanpde.problem.conditions import Condition, Data, Dirichlet, Initial, Neumann, Periodic, Robin
from kanpde.problem.field import Field
from kanpde.problem.hard_conditions import samples
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem

X, Y, Z, T = sp.symbols("x y z t", real=True)
Function = Callable[..., Tensor]

INTERVAL = Box(x=(-0.3, 1.1))
SQUARE = Box(x=(-1, 2), y=(0.5, 1.2))
CUBE = Box(x=(0, 1), y=(-1, 1), z=(0.1, 0.7))
TIME = Box(t=(0.25, 1))
STRING = Box(x=(-0.5, 1), t=(0.2, 1.3))
PLATE = Box(x=(0, 1), y=(-1, 2), t=(-0.1, 0.6))
CIRCLE = Box(x=(-1, 1), t=(0, 2))


@dataclass(frozen=True)
class Given(Problem):
    """Any conditions on any box; the equation plays no part."""

    box: Any
    what: dict[str, Any]
    solution: Any = None
    fields: tuple[str, ...] = field(default=("u",))

    @property
    def domain(self) -> Box:  # type: ignore[override]
        return self.box

    def parameters(self) -> dict[str, Any]:
        return {}

    def residual(self, **everything: Any) -> Any:
        return everything[self.fields[0]] * 1

    def conditions(self) -> dict[str, Any]:
        return self.what

    def exact(self, **coordinates: Any) -> Any:
        return self.solution


def hard(kind: Any, *arguments: Any, **options: Any) -> Any:
    return kind(*arguments, hard=True, **options)


def built(problem: Problem) -> Ansatz:
    ansatz = Ansatz.of(problem)
    assert ansatz is not None
    return ansatz


WAVE = sp.sin(2 * X + 1) * sp.exp(T) + X * T**2
HEAT = sp.cos(X - Y) * sp.exp(-T) + Y * T
PAIR = (X * sp.cos(T), -X * sp.sin(T))
ON_CUBE = sp.sin(X + 2 * Y) * sp.exp(Z)
ON_CIRCLE = sp.cos(sp.pi * X - 3 * T)
ON_SQUARE = sp.sin(2 * X) * sp.exp(Y)

PROBLEMS = {
    "ends": Given(INTERVAL, {"low": hard(Dirichlet, 2, on="x-"), "high": hard(Dirichlet, lambda x: x**2, on="x+")}),
    "one end": Given(INTERVAL, {"high": hard(Dirichlet, sp.exp(X), on="x+")}),
    "oscillator": Given(TIME, {"start": hard(Initial, 3), "push": hard(Initial, -2, order=1)}),
    "two-point oscillator": Given(
        TIME,
        {"start": hard(Initial, 3), "push": hard(Initial, sp.sin(T), order=1), "end": hard(Dirichlet, 1, on="t+")},
    ),
    "square": Given(SQUARE, {"all": hard(Dirichlet, "exact")}, ON_SQUARE),
    "three sides": Given(
        SQUARE,
        {
            "low": hard(Dirichlet, lambda y: -math.sin(2) * torch.exp(y), on="x-"),
            "others": hard(Dirichlet, ON_SQUARE, on=["y-", "x+"]),
            "soft": Dirichlet(5, on="y+"),
        },
    ),
    "cube": Given(CUBE, {"all": hard(Dirichlet, "exact")}, ON_CUBE),
    "corner of a cube": Given(CUBE, {"some": hard(Dirichlet, "exact", on=["x+", "y", "z-"])}, ON_CUBE),
    "diffusion": Given(STRING, {"ends": hard(Dirichlet, "exact", on="x"), "start": hard(Initial, WAVE)}, WAVE),
    "vibration": Given(
        STRING,
        {"ends": hard(Dirichlet, "exact"), "start": hard(Initial, "exact"), "go": hard(Initial, "exact", order=1)},
        WAVE,
    ),
    "vibration between times": Given(
        STRING,
        {
            "sides": hard(Dirichlet, "exact", on=["x-", "t+"]),
            "start": hard(Dirichlet, WAVE, on="t-"),
            "go": hard(Initial, sp.diff(WAVE, T), order=1),
        },
        WAVE,
    ),
    "membrane": Given(
        PLATE,
        {
            "rim": hard(Dirichlet, lambda x, y, t: torch.cos(x - y) * torch.exp(-t) + y * t),
            "start": hard(Initial, "exact"),
            "go": hard(Initial, "exact", order=1),
        },
        HEAT,
    ),
    "system": Given(
        STRING,
        {
            "u ends": hard(Dirichlet, X * sp.cos(T), on="x", field="u"),
            "u start": hard(Initial, X * sp.cos(T), field="u"),
            "v end": hard(Dirichlet, lambda t: torch.sin(t) / 2, on="x-", field="v"),
            "v free": Dirichlet("exact", on="x+", field="v"),
        },
        PAIR,
        ("u", "v"),
    ),
    "exact system": Given(STRING, {"ends": hard(Dirichlet, "exact"), "go": hard(Initial, "exact")}, PAIR, ("u", "v")),
    "ring": Given(CIRCLE, {"ring": hard(Periodic, "x", order=2)}),
    "wave on a ring": Given(
        CIRCLE,
        {
            "ring": hard(Periodic, "x"),
            "start": hard(Initial, lambda x: torch.cos(torch.pi * x)),
            "go": hard(Initial, "exact", order=1),
        },
        ON_CIRCLE,
    ),
    "two rings": Given(
        CIRCLE, {"u": hard(Periodic, "x", field="u"), "v": hard(Periodic, "x", field="v")}, fields=("u", "v")
    ),
}


def jets_of_solution(ansatz: Ansatz, points: Tensor, plan: JetPlan) -> Tensor:
    """lift + factor N for a network that says anything, but the same at two points of a circle that are one."""
    lift, factor = ansatz.jets(points, plan)
    generator = torch.Generator().manual_seed(1)
    network = torch.randn(lift.shape, generator=generator, dtype=torch.float64).to(lift)
    return lift + product(plan, factor, network)


def rows(problem: Problem, ansatz: Ansatz, block: Block, dtype: torch.dtype = torch.float64) -> Tensor:
    """The block's rows for such a solution, at corners and points between them."""
    on_faces = [samples(problem.domain, face) for face in block.faces]
    points = torch.cat(on_faces).to(dtype)
    index = torch.arange(len(on_faces)).repeat_interleave(len(on_faces[0]))
    plan = JetPlan(problem.domain.dimension, itertools.chain.from_iterable(block.partials.values()))

    def side(image: Tensor) -> Side:
        jets = jets_of_solution(ansatz, image, plan)
        columns = [lambda partial, i=i: jets[:, plan.index[partial], i] for i in range(len(problem.fields))]
        names = problem.domain.names
        return Side(image, tuple(Field(u, names, c) for u, c in zip(problem.fields, columns, strict=True)))

    return block.evaluate(tuple(side(image) for image in block.images(points)), index, {})


@pytest.mark.parametrize("name", PROBLEMS)
def test_hard_conditions_hold_for_any_network(name):
    problem = PROBLEMS[name]
    ansatz = built(problem)
    blocks = [block for block in problem.blocks(hard=True) if block.hard]
    assert blocks
    for block in blocks:
        assert rows(problem, ansatz, block).abs().max() < 1e-14, block.name


@pytest.mark.parametrize("name", ["vibration", "membrane", "cube"])
def test_they_hold_in_single_precision(name):
    problem = PROBLEMS[name]
    ansatz = built(problem)
    for block in problem.blocks(hard=True)[1:]:
        found = rows(problem, ansatz, block, torch.float32)
        assert found.dtype == torch.float32
        assert found.abs().max() < 1e-5, block.name


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_any_faces_of_a_square(count):
    for faces in itertools.combinations(["x-", "x+", "y-", "y+"], count):
        problem = Given(SQUARE, {"some": hard(Dirichlet, "exact", on=list(faces))}, ON_SQUARE)
        assert rows(problem, built(problem), problem.blocks(hard=True)[1]).abs().max() < 1e-14


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(0.1, 5)), min_size=1, max_size=3),
    st.sampled_from([("x-", "t-"), ("x+", "t+"), ("x", "t")]),
)
def test_any_box(intervals, faces):
    bounds = {name: (low, low + span) for name, (low, span) in zip("xty", intervals, strict=False)}
    domain = Box(**bounds)
    known = [face for face in faces if face[0] in domain.names]
    problem = Given(domain, {"some": hard(Dirichlet, "exact", on=known)}, sp.cos(sum(sp.symbols(domain.names))))
    assert rows(problem, built(problem), problem.blocks(hard=True)[1]).abs().max() < 1e-14


# A slow reference: the lift by successive correction of one axis after the other, as a function of coordinates.


def corrected(lift: Function, axis: int, domain: Box, low: Function | None, high: Function | None) -> Function:
    start, end = domain.low[axis], domain.high[axis]

    def moved(columns: tuple[Tensor, ...], bound: float) -> tuple[Tensor, ...]:
        return (*columns[:axis], torch.full_like(columns[axis], bound), *columns[axis + 1 :])

    def function(*columns: Tensor) -> Tensor:
        s = (columns[axis] - start) / (end - start)
        result = lift(*columns)
        for data, bound, alone in ((low, start, high is None), (high, end, low is None)):
            if data is not None:
                blending = 1 if alone else (s if bound == end else 1 - s)
                at_face = moved(columns, bound)
                result = result + blending * (data(*at_face) - lift(*at_face))
        return result

    return function


def started(lift: Function, axis: int, domain: Box, value: Function, velocity: Function) -> Function:
    start = domain.low[axis]

    def function(*columns: Tensor) -> Tensor:
        at_start = [torch.full_like(c, start, requires_grad=True) if i == axis else c for i, c in enumerate(columns)]
        now = lift(*at_start)
        (change,) = torch.autograd.grad(now.sum(), at_start[axis], create_graph=True)
        elapsed = columns[axis] - start
        return lift(*columns) + value(*at_start) - now + elapsed * (velocity(*at_start) - change)

    return function


def zero(*columns: Tensor) -> Tensor:
    return 0 * columns[0]


def on_square(x: Tensor, y: Tensor) -> Tensor:
    return torch.sin(2 * x) * torch.exp(y)


def on_cube(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return torch.sin(x + 2 * y) * torch.exp(z)


def wave(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(2 * x + 1) * torch.exp(t) + x * t**2


def wave_velocity(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(2 * x + 1) * torch.exp(t) + 2 * x * t


def heat(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
    return torch.cos(x - y) * torch.exp(-t) + y * t


def heat_velocity(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
    return -torch.cos(x - y) * torch.exp(-t) + y


def unit(column: Tensor, domain: Box, axis: int) -> Tensor:
    return (column - domain.low[axis]) / (domain.high[axis] - domain.low[axis])


def reference(name: str) -> tuple[Function, Function]:
    """Lift and factor of some of the problems."""

    def bump(*axes: int) -> Function:
        def factor(*columns: Tensor) -> Tensor:
            parts = (unit(columns[axis], domain, axis) for axis in axes)
            return math.prod((4 * s * (1 - s) for s in parts), start=torch.ones(()))

        return factor

    domain = PROBLEMS[name].domain
    if name == "square":
        lift = corrected(zero, 0, domain, on_square, on_square)
        return corrected(lift, 1, domain, on_square, on_square), bump(0, 1)
    if name == "corner of a cube":
        lift = corrected(zero, 0, domain, None, on_cube)
        lift = corrected(corrected(lift, 1, domain, on_cube, on_cube), 2, domain, on_cube, None)
        return lift, lambda x, y, z: (1 - unit(x, domain, 0)) * bump(1)(x, y, z) * unit(z, domain, 2)
    if name == "diffusion":
        lift = corrected(corrected(zero, 0, domain, wave, wave), 1, domain, wave, None)
        return lift, lambda x, t: bump(0)(x, t) * unit(t, domain, 1)
    if name == "vibration":
        lift = started(corrected(zero, 0, domain, wave, wave), 1, domain, wave, wave_velocity)
        return lift, lambda x, t: bump(0)(x, t) * unit(t, domain, 1) ** 2
    lift = corrected(corrected(zero, 0, domain, heat, heat), 1, domain, heat, heat)
    lift = started(lift, 2, domain, heat, heat_velocity)
    return lift, lambda x, y, t: bump(0, 1)(x, y, t) * unit(t, domain, 2) ** 2


@pytest.mark.parametrize("name", ["square", "diffusion", "vibration", "membrane", "corner of a cube"])
def test_jets_are_derivatives_of_the_lift_and_the_factor(name):
    problem = PROBLEMS[name]
    dimension = problem.domain.dimension
    order = 4 if dimension == 2 else 3
    plan = JetPlan(dimension, itertools.combinations_with_replacement(range(dimension), order))
    points = torch.from_numpy(problem.domain.interior(np.random.default_rng(3).random((9, dimension))))
    for jets, function in zip(built(problem).jets(points, plan), reference(name), strict=True):
        for alpha, partial in enumerate(plan.partials):
            expected = partial_by_autograd(function, points, partial)
            gap = (jets[:, alpha, 0] - expected).abs().max()
            assert gap < 1e-12 * max(1, expected.abs().max()), partial


def test_a_lift_on_all_faces_of_a_box_keeps_multilinear_functions():
    problem = Given(CUBE, {"all": hard(Dirichlet, "exact")}, 1 + 2 * X - X * Y + 3 * X * Y * Z)
    plan = JetPlan(3, [()])
    points = samples(CUBE)
    lift, factor = built(problem).jets(points, plan)
    np.testing.assert_allclose(lift[:, 0, 0], problem.exact_values(points.numpy())[:, 0], atol=1e-14)
    assert factor.min() == 0 and 0.5 < factor.max() <= 1


def test_fields_without_hard_conditions_are_the_network():
    problem = Given(SQUARE, {"u": hard(Dirichlet, 1, on="x-", field="u")}, fields=("u", "v"))
    lift, factor = built(problem).jets(samples(SQUARE), JetPlan(2, [(0, 1)]))
    assert lift.shape == factor.shape == (len(samples(SQUARE)), 4, 2)
    assert (lift[:, 0, 0] == 1).all() and (lift[..., 1] == 0).all()
    assert (factor[:, 0, 1] == 1).all() and (factor[:, 1:, 1] == 0).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ring", (True, False)), ("two rings", (True, False)), ("diffusion", (False, False)), ("ends", (False,))],
)
def test_periodic_axes(name, expected):
    assert built(PROBLEMS[name]).periodic == expected


def test_without_hard_conditions_there_is_no_ansatz():
    assert Ansatz.of(Given(SQUARE, {"soft": Dirichlet(1)})) is None
    assert Ansatz.of(Given(SQUARE, {})) is None


def test_no_gradient_is_attached_and_points_stay():
    problem, points = PROBLEMS["membrane"], samples(PLATE).requires_grad_()
    before = points.detach().clone()
    for jets in built(problem).jets(points, JetPlan(3, [(0, 0), (2,)])):
        assert not jets.requires_grad and jets.isfinite().all()
    assert torch.equal(points, before)


def test_data_that_agree_up_to_round_off_are_taken():
    sine = {"all": hard(Dirichlet, sp.sin(sp.pi * X), on="y"), "ends": hard(Dirichlet, 0, on="x")}
    built(Given(Box(x=(0, 1), y=(0, 1)), sine))
    start = {"start": hard(Initial, lambda x: torch.sin(torch.pi * x)), "ends": hard(Dirichlet, 0, on="x")}
    built(Given(Box(x=(0, 1), t=(0, 1)), start))


UNEQUAL = {"ends": hard(Dirichlet, 1, on="x-"), "start": hard(Initial, 0)}
UNEQUAL_VELOCITY = {
    "ends": hard(Dirichlet, lambda t: 3 * t, on="x-"),
    "start": hard(Initial, 0),
    "go": hard(Initial, 1, order=1),
}
UNEQUAL_BY_LITTLE = {"a": hard(Dirichlet, 1, on="x-"), "b": hard(Dirichlet, lambda y: 1 + 1e-6 * y, on="y+")}
ENDLESS_VELOCITY = {
    "ends": hard(Dirichlet, lambda t: torch.sqrt(t), on="x-"),
    "start": hard(Initial, 0),
    "go": hard(Initial, 0, order=1),
}
KINK = {"ring": hard(Periodic, "x"), "start": hard(Initial, X**2 * sp.cos(sp.pi * X))}
STEP = {"ring": hard(Periodic, "x"), "start": hard(Initial, X)}


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Given(SQUARE, {"it": hard(Neumann)}), "'it' .*hard Neumann can't be built"),
        (Given(SQUARE, {"it": hard(Robin, 1, 1, 0)}), "'it' .*hard Robin can't be built"),
        (Given(SQUARE, {"it": hard(Data, [[0, 1]], [1])}), "'it' .*hard Data can't be built"),
        (Given(SQUARE, {"it": hard(Condition, lambda u: u)}), "'it' .*hard Condition can't be built"),
        (Given(STRING, {"it": hard(Initial, order=2)}), "'it' .*hard Initial of order 2 can't be built"),
        (Given(STRING, {"go": hard(Initial, order=1)}), "'go' .*u_t, and can't be built without a hard Initial for u"),
        (Given(STRING, {"s": Initial(), "go": hard(Initial, order=1)}), "without a hard Initial for u itself; make"),
        (
            Given(CIRCLE, {"ring": hard(Periodic, "x", field="v")}, fields=("u", "v")),
            "hard Periodic 'ring' .*can't be built for v alone",
        ),
        (
            Given(CIRCLE, {"ring": hard(Periodic, "x"), "end": hard(Dirichlet, 0, on="x+")}),
            r"'ring' and 'end' .*both prescribe x\+",
        ),
        (
            Given(STRING, {"ring": hard(Periodic, "t"), "start": hard(Initial)}),
            "'ring' and 'start' .*both prescribe t-",
        ),
        (
            Given(SQUARE, {"a": hard(Dirichlet, 0), "b": hard(Dirichlet, 0, on="y+")}),
            r"'a' and 'b' .*both prescribe u on y\+",
        ),
        (
            Given(STRING, {"a": hard(Initial), "b": hard(Dirichlet, 0, on="t-")}),
            "'[ab]' and '[ab]' .*both prescribe u on t-",
        ),
        (
            Given(STRING, {"s": hard(Initial), "a": hard(Initial, order=1), "b": hard(Initial, order=1)}),
            "'a' and 'b' .*both prescribe u_t on t-",
        ),
        (
            Given(STRING, UNEQUAL),
            "'ends' and 'start' .*the same u where x- and t- meet, got 1 and 0 at x=-0.5, t=0.2, which differ by 1;",
        ),
        (Given(Box(x=(0, 1), t=(0, 1)), UNEQUAL_VELOCITY), "'ends' and 'go' .*the same u_t .*got 3 and 1 .*by 2;"),
        (Given(SQUARE, UNEQUAL_BY_LITTLE), "'a' and 'b' .*differ by 1.2e-06;"),
        (Given(Box(x=(0, 1), t=(0, 1)), ENDLESS_VELOCITY), "'ends' and 'go' .*got inf and 0 .*differ by inf;"),
        (Given(CIRCLE, KINK), r"'ring' and 'start' .*the same u_x on x- and x\+, got 2 and -2 .*differ by 4;"),
        (Given(CIRCLE, STEP), r"the same u on x- and x\+, got -1 and 1 .*differ by 2;"),
        (Given(STRING, {"it": hard(Dirichlet, lambda t: t.numpy())}), "'it' .*use torch functions"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(problem, words):
    with pytest.raises(ProblemError, match=words) as caught:
        Ansatz.of(problem)
    assert "\n" not in str(caught.value)


def test_a_value_that_cannot_be_differentiated_says_so():
    ansatz = built(Given(STRING, {"it": hard(Dirichlet, lambda t: torch.from_numpy(np.sin(t.numpy())), on="x-")}))
    with pytest.raises(ProblemError, match="the value of condition 'it' of given"):
        ansatz.jets(samples(STRING), JetPlan(2, [(1,)]))
