"""Hard conditions on shapes: the lift takes the values, the factor vanishes on their faces alone."""

from __future__ import annotations

import pytest
import sympy as sp
import torch

from kanpde import Annulus, Ball, Box, Dirichlet, Disk, Ellipse, Implicit, Initial, Neumann, Polygon, Problem, solve
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ProblemError
from kanpde.geometry.domain import face_points
from kanpde.problem.lift import Ansatz

X, Y = sp.symbols("x y", real=True)
VALUE = sp.sin(X) + X * Y
ELL = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
SHAPES = {
    "disk": Disk((0.3, 0), 1.5),
    "ellipse": Ellipse((0, 0.5), (2, 1)),
    "annulus": Annulus((0, 0), 0.5, 1),
    "triangle": Polygon([(0, 0), (0, 1), (1, 0)]),
    "implicit": Implicit(lambda x, y: x**4 + y**4 - 1, Box(x=(-2, 2), y=(-2, 2))),
    "hole": Box(x=(-1, 1), y=(-1, 1)) - Disk((0, 0), 0.4, name="hole"),
    "ball": Ball((0, 0, 0), 1),
    "cylinder": Disk((0, 0), 1) * Box(t=(0, 1)),
}


def problem_on(shape, **chosen):
    class On(Problem):
        domain = shape

        def residual(self, u):
            return u.xx + u.yy

        def conditions(self):
            return chosen

    return On()


def draw(count, dimension):
    return torch.rand(count, dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()


@pytest.mark.parametrize("name", SHAPES)
def test_the_condition_holds_by_construction(name) -> None:
    shape = SHAPES[name]
    ansatz = Ansatz.of(problem_on(shape, rim=Dirichlet(VALUE, hard=True)))
    plan = JetPlan(shape.dimension, [(), (0, 1)])
    value = sp.lambdify((X, Y), VALUE, "torch")
    for face in shape.resolve("boundary"):
        points = torch.as_tensor(face_points(shape, face, 40, draw))
        lift, factor = ansatz.jets(points, plan)
        assert factor[:, plan.index[()], 0].abs().max() < 1e-7  # the points of an implicit face have an error
        assert torch.allclose(lift[:, plan.index[()], 0], value(points[:, 0], points[:, 1]))
    inside = torch.as_tensor(shape.sample_interior(200))
    assert (ansatz.jets(inside, plan)[1][:, plan.index[()]] > 0).all()


def test_jets_are_derivatives() -> None:
    outer = Dirichlet(lambda x, y: x * y**2, on="outer", hard=True)
    ring = problem_on(SHAPES["annulus"], a=Dirichlet(VALUE, on="inner", hard=True), b=outer)
    ansatz, plan = Ansatz.of(ring), JetPlan(2, [(0, 0), (0, 1)])
    points, step = torch.as_tensor(SHAPES["annulus"].sample_interior(20)), 1e-4
    ahead, back = (ansatz.jets(points + torch.tensor([[s, 0.0]]).double(), plan) for s in (step, -step))
    for here, one, other in zip(ansatz.jets(points, plan), ahead, back, strict=True):
        for partial, slope in (((), (0,)), ((0,), (0, 0)), ((1,), (0, 1))):
            finite = (one - other)[:, plan.index[partial]] / (2 * step)
            assert torch.allclose(here[:, plan.index[slope]], finite, atol=1e-4, rtol=1e-4)


def test_faces_that_do_not_meet_may_differ() -> None:
    class Ring(Problem):
        domain = Annulus((0, 0), 1, 2)

        def residual(self, u, x, y):
            return u.xx + u.yy - 4

        def conditions(self):
            return {"in": Dirichlet(1, on="inner", hard=True), "out": Dirichlet(4.0, on="outer", hard=True)}

        def exact(self, x, y):
            return x**2 + y**2

    solution = solve(Ring(), training={"target": 1e-6})
    assert solution.errors()["relative_l2"] < 1e-6
    assert max(solution.rms()[name] for name in ("in", "out")) < 1e-14


def test_what_cannot_be_built_is_refused() -> None:
    moving = Disk((0, 0), 1) * Box(t=(0, 1))
    hard = Dirichlet(0, hard=True)
    for shape, chosen, text in (
        (ELL, {"all": hard}, "the continuation of a face crosses the domain"),
        (ELL, {"one": Dirichlet(0, on="side3", hard=True)}, "crosses the domain"),
        (moving, {"start": Initial(1, hard=True), "rim": hard}, "faces meet those of"),
        (moving, {"start": Initial(0, order=1, hard=True)}, "needs a Box"),
        (SHAPES["disk"], {"one": hard, "two": Dirichlet(1, hard=True)}, "both prescribe u on rim"),
        (SHAPES["disk"], {"one": Neumann(0, hard=True)}, "can't be built"),
    ):
        with pytest.raises(ProblemError, match=text):
            Ansatz.of(problem_on(shape, **chosen))


def test_one_face_of_a_shape_that_is_not_convex() -> None:
    assert Ansatz.of(problem_on(ELL, one=Dirichlet(0, on="side1", hard=True))) is not None
