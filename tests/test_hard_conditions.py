"""Hard conditions hold whatever the network says, and what can't be built is refused."""

from __future__ import annotations

import itertools

import pytest
import sympy as sp
import torch
from given_conditions import CIRCLE, ON_SQUARE, PROBLEMS, SQUARE, STRING, Given, X, built, hard
from hypothesis import given, settings
from hypothesis import strategies as st
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ring", (True, False)), ("two rings", (True, False)), ("diffusion", (False, False)), ("ends", (False,))],
)
def test_periodic_axes(name, expected):
    assert built(PROBLEMS[name]).periodic == expected


def test_without_hard_conditions_there_is_no_ansatz():
    assert Ansatz.of(Given(SQUARE, {"soft": Dirichlet(1)})) is None
    assert Ansatz.of(Given(SQUARE, {})) is None


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
