"""The lift and the factor: their jets are derivatives, and no gradient is attached to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from given_conditions import CUBE, PLATE, PROBLEMS, SQUARE, STRING, Given, X, Y, Z, built, hard
from known_fields import partial_by_autograd
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.errors import ProblemError
from kanpde.geometry.box import Box
from kanpde.problem.conditions import Dirichlet
from kanpde.problem.hard_conditions import samples

Function = Callable[..., Tensor]


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


def test_no_gradient_is_attached_and_points_stay():
    problem, points = PROBLEMS["membrane"], samples(PLATE).requires_grad_()
    before = points.detach().clone()
    for jets in built(problem).jets(points, JetPlan(3, [(0, 0), (2,)])):
        assert not jets.requires_grad and jets.isfinite().all()
    assert torch.equal(points, before)


def test_a_value_that_cannot_be_differentiated_says_so():
    ansatz = built(Given(STRING, {"it": hard(Dirichlet, lambda t: torch.from_numpy(np.sin(t.numpy())), on="x-")}))
    with pytest.raises(ProblemError, match="the value of condition 'it' of given"):
        ansatz.jets(samples(STRING), JetPlan(2, [(1,)]))
