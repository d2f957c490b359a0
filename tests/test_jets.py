"""Jets against nested automatic differentiation: every partial up to order 4, every adjoint."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanpde.calculus import jets
from kanpde.calculus.jets import JetPlan

BELL = (1, 1, 2, 5, 15)  # how many partitions a set of 0 … 4 elements has
FUNCTIONS = {
    "exp": (torch.exp, lambda h: [torch.exp(h)] * 5),
    "sin": (torch.sin, lambda h: [torch.sin(h), torch.cos(h), -torch.sin(h), -torch.cos(h), torch.sin(h)]),
    "cube": (lambda h: h**3, lambda h: [h**3, 3 * h**2, 6 * h, torch.full_like(h, 6), torch.zeros_like(h)]),
}


def every_partial(dimension, order=4):
    return [p for m in range(order + 1) for p in combinations_with_replacement(range(dimension), m)]


def points_of(dimension, count=7):
    generator = torch.Generator().manual_seed(dimension)
    return torch.rand(count, dimension, generator=generator, dtype=torch.float64)


def nested(function, points, plan):
    """The jet (n, S, i) of points (n, d) -> (n, i) by differentiating again and again."""
    inputs = points.clone().requires_grad_()
    columns = []
    for column in function(inputs).unbind(-1):
        known = {(): column + 0 * inputs.sum(dim=1)}
        for partial in plan.partials[1:]:
            below = known[partial[:-1]]
            (gradient,) = torch.autograd.grad(below.sum(), inputs, create_graph=True, materialize_grads=True)
            known[partial] = gradient[:, partial[-1]] + 0 * inputs.sum(dim=1)
        columns.append(torch.stack([known[p] for p in plan.partials], dim=1))
    return torch.stack(columns, dim=-1).detach()


def wavy(x):
    """Two functions of all coordinates, with no vanishing partial."""
    weights = torch.arange(1, x.shape[1] + 1, dtype=x.dtype) / 2
    s = x @ weights
    return torch.stack([torch.sin(s) + x[:, 0] * x[:, -1] * s, torch.exp(s / 3) * torch.cos(x[:, 0])], dim=1)


def other(x):
    s = x.square().sum(dim=1)
    return torch.stack([torch.exp(-s), torch.sin(x[:, -1] * 2) + s], dim=1)


def assert_close(found, expected, tolerance=1e-12):
    """Partial by partial, relative to the largest of its values."""
    size = expected.abs().amax(dim=(0, 2), keepdim=True).clamp_min(1e-3)
    assert ((found - expected).abs() / size).max() <= tolerance


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_jet_through_a_function_is_faa_di_brunos(name, dimension):
    function, derivatives = FUNCTIONS[name]
    plan, points = JetPlan(dimension, every_partial(dimension)), points_of(dimension)
    inner = nested(wavy, points, plan)
    bell = jets.bell_polynomials(plan, inner)
    outer = torch.stack(derivatives(inner[:, 0]), dim=1)  # (n, M, i)
    found = (bell * outer[:, None]).sum(dim=2)
    assert_close(found, nested(lambda x: function(wavy(x)), points, plan))


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_a_product_of_jets_is_leibniz(dimension):
    plan, points = JetPlan(dimension, every_partial(dimension)), points_of(dimension)
    found = jets.product(plan, nested(wavy, points, plan), nested(other, points, plan))
    assert_close(found, nested(lambda x: wavy(x) * other(x), points, plan))


@pytest.mark.parametrize("requested", [[], [(0, 0)], [(0, 1)], [(1,), (0, 0, 0)], [(1, 1, 0, 0), (0,)]])
def test_the_partials_of_an_equation_alone_suffice(requested):
    """What a residual asks for comes out right without any partial beyond the closure."""
    plan, points = JetPlan(2, requested), points_of(2)
    inner = nested(wavy, points, plan)
    found = jets.product(plan, inner, inner)
    assert_close(found, nested(lambda x: wavy(x) ** 2, points, plan))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_adjoint_of_the_bell_polynomials_is_autograds(dimension):
    plan = JetPlan(dimension, every_partial(dimension))
    generator = torch.Generator().manual_seed(0)
    jet = torch.randn(5, len(plan), 3, generator=generator, dtype=torch.float64).requires_grad_()
    bell = jets.bell_polynomials(plan, jet)
    seed = torch.randn(bell.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad((bell * seed).sum(), jet)
    seeds = {(term.alpha, term.order): seed[:, term.alpha, term.order] for term in plan.bell}
    assert_close(torch.stack(jets.bell_adjoint(plan, jet.detach().unbind(dim=1), seeds), dim=1), expected)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_adjoint_of_a_product_is_autograds(dimension):
    plan = JetPlan(dimension, every_partial(dimension))
    generator = torch.Generator().manual_seed(0)
    left, right, seed = torch.randn(3, 5, len(plan), 2, generator=generator, dtype=torch.float64)
    left.requires_grad_()
    (expected,) = torch.autograd.grad((jets.product(plan, left, right) * seed).sum(), left)
    assert_close(jets.product_adjoint(plan, right, seed), expected)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_coordinates_are_their_own_jet(dimension):
    plan, points = JetPlan(dimension, every_partial(dimension, 3)), points_of(dimension)
    assert torch.equal(plan.coordinates(points), nested(lambda x: x, points, plan))


def test_a_function_of_one_coordinate_has_pure_partials_only():
    plan, points = JetPlan(3, every_partial(3)), points_of(3)
    jet = nested(lambda x: torch.exp(x[:, 1:2]), points, plan)
    pure = {alpha for alpha, axis, _ in plan.pure if axis == 1}
    assert {alpha for alpha in range(1, len(plan)) if jet[:, alpha].abs().max() > 0} == pure
    assert all(plan.partials[alpha] == (axis,) * order for alpha, axis, order in plan.pure)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_partitions_and_subsets_are_counted_with_their_multiplicity(dimension):
    """Σ of the coefficients of ∂^α: the Bell number through a function, 2^|α| through a product."""
    plan = JetPlan(dimension, every_partial(dimension))
    for alpha, partial in enumerate(plan.partials):
        bell = sum(term.coefficient for term in plan.bell if term.alpha == alpha)
        assert bell == (BELL[len(partial)] if partial else 0)
        assert sum(term.coefficient for term in plan.leibniz if term.alpha == alpha) == 2 ** len(partial)


partials = st.lists(st.lists(st.integers(0, 3), max_size=4).map(tuple), max_size=4)


@given(partials)
@settings(deadline=None, derandomize=True)
def test_a_plan_is_closed_and_holds_all_that_was_asked_for(requested):
    plan = JetPlan(4, requested)
    assert plan.partials[0] == ()
    assert len(set(plan.partials)) == len(plan)
    assert {tuple(sorted(p)) for p in requested} == plan.requested <= set(plan.partials)
    for partial in plan.partials:
        below = {tuple(sorted(c)) for size in range(len(partial)) for c in combinations(partial, size)}
        assert below <= set(plan.partials)
    assert plan.order == max((len(p) for p in requested), default=0)
    assert [plan.partials[i] for i in plan.index.values()] == list(plan.partials)


@given(partials)
@settings(deadline=None, derandomize=True)
def test_a_plan_holds_no_more_than_it_needs(requested):
    plan = JetPlan(4, requested)
    wanted = [tuple(sorted(p)) for p in requested]
    for partial in plan.partials:
        assert not partial or any(all(p.count(a) >= partial.count(a) for a in range(4)) for p in wanted)


def test_set_partitions_are_as_many_as_bells_numbers():
    for size, count in enumerate(BELL):
        found = list(jets.set_partitions(tuple(range(size))))
        assert len(found) == count == len({tuple(sorted(blocks)) for blocks in found})
        assert all(sorted(e for block in blocks for e in block) == list(range(size)) for blocks in found)
