"""The network: jets against nested automatic differentiation, Jacobians against torch.func, sizes that can't be."""

from __future__ import annotations

import copy
from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch

from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError
from kanpde.network import knot_insertion
from kanpde.network.base_functions import BASE_FUNCTIONS
from kanpde.network.kan import KAN

LOW, HIGH = [-1.0, 0.0], [1.0, 2.5]
BASES = [None, *BASE_FUNCTIONS]
WIDTHS = {
    "none": [],
    "sums": [3],
    "products": [(0, 2)],
    "both": [(2, 1)],
    "deep": [(1, 2), (2, 1)],
}


def plan_up_to(order, dimension=2):
    return JetPlan(dimension, combinations_with_replacement(range(dimension), order))


def points_in(low=LOW, high=HIGH, count=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    low, high = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
    unit = torch.rand(count, len(low), generator=generator, dtype=torch.float64)
    return (low + (high - low) * unit).to(dtype)


def built(width, base=None, *, outputs=2, degree=7, intervals=5, periodic=None, refined=False, seed=3):
    network = KAN(width=width, degree=degree, intervals=intervals, base=base)
    network.build(LOW, HIGH, outputs, periodic=periodic, seed=seed)
    with torch.no_grad():
        for layer in network.layers:
            if base is not None:
                layer.coefficients[:, -1] = 0.3  # the start has no base function
    if refined:
        points = points_in(count=200)
        knot_insertion.refine(network, points, torch.exp(-points.square().sum(dim=1)), first_only=False)
        assert not network.first.basis.uniform
    return network


def nested(network, points, plan):
    """The jets (n, S, fields) by differentiating the network again and again."""
    inputs = points.clone().requires_grad_()
    columns = []
    for column in network(inputs).unbind(-1):
        known = {(): column}
        for partial in plan.partials[1:]:
            (gradient,) = torch.autograd.grad(
                known[partial[:-1]].sum(), inputs, create_graph=True, materialize_grads=True
            )
            known[partial] = gradient[:, partial[-1]] + 0 * inputs.sum(dim=1)
        columns.append(torch.stack([known[p] for p in plan.partials], dim=1))
    return torch.stack(columns, dim=-1).detach()


def assert_close(found, expected, tolerance):
    """Partial by partial, relative to the largest of its values."""
    assert found.dtype == expected.dtype
    size = expected.abs().amax(dim=(0, 2), keepdim=True).clamp_min(1e-6)
    assert ((found - expected).abs() / size).max() <= tolerance


class Jets(torch.nn.Module):
    """Σ adjoint · jet of every point, as a module of the parameters."""

    def __init__(self, network, prepared, adjoint, plan):
        super().__init__()
        self.network, self.given = network, (prepared, adjoint, plan)

    def forward(self):
        prepared, adjoint, plan = self.given
        return (adjoint * self.network.jets(prepared, plan)).sum(dim=(1, 2))


def rows_by_jacrev(network, prepared, adjoint, plan):
    module = Jets(network, prepared, adjoint, plan)
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    jacobian = torch.func.jacrev(lambda values: torch.func.functional_call(module, values, ()))(parameters)
    return list(jacobian.values())


def assert_rows_are_jacrevs(network, points, plan, tolerance):
    prepared = network.prepare(points, plan)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        jet, tapes = network.taped(prepared, plan)
        adjoint = torch.randn(jet.shape, generator=generator, dtype=torch.float64).to(jet.dtype)
        found = network.rows(tapes, adjoint, plan)
    expected = rows_by_jacrev(network, prepared, adjoint, plan)
    assert len(found) == len(expected) == len(network.layers)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


# Jets and Jacobians --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refined", [False, True], ids=["uniform", "refined"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("base", BASES)
def test_jets_are_nested_autograds(base, width, refined):
    network, plan = built(width, base, refined=refined), plan_up_to(4)
    points = points_in()
    with torch.no_grad():
        found = network.jets(network.prepare(points, plan), plan)
        assert torch.allclose(found[:, 0], network(points), rtol=1e-12, atol=1e-12)
    assert_close(found, nested(network, points, plan), 1e-9)


@pytest.mark.parametrize("refined", [False, True], ids=["uniform", "refined"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("base", BASES)
def test_rows_are_jacrevs(base, width, refined):
    network = built(width, base, refined=refined)
    assert_rows_are_jacrevs(network, points_in(), plan_up_to(2), 1e-12)


@pytest.mark.parametrize("order", [0, 1, 3, 4])
def test_rows_are_jacrevs_in_every_order(order):
    assert_rows_are_jacrevs(built([(1, 1), (1, 1)], "silu"), points_in(), plan_up_to(order), 1e-11)


def test_rows_are_jacrevs_for_the_partials_of_an_equation_alone():
    assert_rows_are_jacrevs(built([(2, 1)]), points_in(), JetPlan(2, [(0, 0), (1,)]), 1e-12)


@pytest.mark.parametrize("dimension", [1, 3, 4, 6])
def test_jets_and_rows_in_other_dimensions(dimension):
    low, high = [-1.0] * dimension, [0.5] * dimension
    network = KAN(width=[(1, 2)], degree=5, intervals=3).build(low, high, 1, seed=0)
    points, plan = points_in(low, high), plan_up_to(3, dimension)
    with torch.no_grad():
        found = network.jets(network.prepare(points, plan), plan)
    assert_close(found, nested(network, points, plan), 1e-9)
    assert_rows_are_jacrevs(network, points, plan, 1e-12)


@pytest.mark.parametrize("base", BASES)
def test_single_precision_agrees_with_double(base):
    exact, plan = built([(2, 1)], base), plan_up_to(2)
    rough = copy.deepcopy(exact).to(torch.float32)
    points = points_in()
    with torch.no_grad():
        expected = exact.jets(exact.prepare(points, plan), plan)
        found = rough.jets(rough.prepare(points.float(), plan), plan)
    assert_close(found, expected.float(), 1e-3)
    assert_close(found, nested(rough, points.float(), plan), 1e-3)
    assert_rows_are_jacrevs(rough, points.float(), plan, 1e-4)


@pytest.mark.parametrize("base", [None, "silu"])
@pytest.mark.parametrize("refined", [False, True], ids=["uniform", "refined"])
@pytest.mark.parametrize("intervals", [4, 9], ids=["shorter than the degree", "longer"])
def test_a_periodic_first_layer_is_periodic_and_smooth(base, refined, intervals):
    network = built([(2, 1)], base, intervals=intervals, periodic=[True, False], refined=refined)
    plan = plan_up_to(4)
    ys = torch.linspace(0, 2.5, 6, dtype=torch.float64)
    with torch.no_grad():
        left, right = (
            network.jets(network.prepare(torch.stack([torch.full_like(ys, x), ys], dim=1), plan), plan)
            for x in (LOW[0], HIGH[0])
        )
    assert_close(left, right, 1e-9)
    points = points_in()
    with torch.no_grad():
        found = network.jets(network.prepare(points, plan), plan)
    assert_close(found, nested(network, points, plan), 1e-9)
    assert_rows_are_jacrevs(network, points, plan, 1e-11)


def test_the_network_has_a_tangent_at_the_ends_of_its_box_and_grows_no_faster_than_a_product_beyond():
    network, plan = built([(2, 1)]), plan_up_to(1)
    edge = torch.tensor([[1.0, 1.0], [-1.0, 0.5]], dtype=torch.float64)
    step = torch.tensor([[1e-9, 0.0]], dtype=torch.float64)
    with torch.no_grad():
        inside, outside = (network.jets(network.prepare(edge + s, plan), plan) for s in (-step, step))
        far, further = network(edge * 1e6), network(edge * 1e7)
    assert_close(outside, inside, 1e-5)
    assert (further.abs() <= 100.1 * far.abs()).all()  # one product node of two edges, each of which is a line


# The start -----------------------------------------------------------------------------------------------------------


def test_a_seed_fixes_the_start_and_another_one_changes_it():
    one, same, other = (built([(2, 1)], seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["layers.0.coefficients"], other["layers.0.coefficients"])


@pytest.mark.parametrize("width", [[6], [(3, 3)], [(0, 4), (4, 2)]])
@pytest.mark.parametrize("periodic", [None, [True, False]])
def test_the_start_is_of_size_one_and_stays_on_the_grids(width, periodic):
    network = built(width, outputs=3, intervals=8, periodic=periodic)
    points = points_in(count=500)
    with torch.no_grad():
        arriving = network.node_values(points)
        final = network(points)
    for layer, values in zip(network.layers, arriving, strict=True):
        low, high = layer.basis.range()
        assert ((values >= low) & (values <= high)).double().mean() > 0.99
        # The grid is not much wider than what arrives.
        assert ((values.amax(dim=0) - values.amin(dim=0)) / (high - low)).min() > 0.5
    assert 0.1 < final.std() < 10


def test_the_factors_of_a_product_start_from_different_coordinates():
    network = built([(1, 2)])
    strength = network.first.coefficients.detach().square().sum(dim=1)  # (inputs, subnodes)
    for left, right in ((1, 2), (3, 4)):
        assert (strength[:, left] * strength[:, right]).max() == 0
        assert strength[:, left].max() > 0 < strength[:, right].max()
    assert strength[:, 0].min() > 0


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("affine", [True, False])
def test_what_is_left_open_is_fitted_to_the_equation(dimension, order, affine):
    open_ended = KAN()
    network = open_ended.sized_for(dimension, order, affine=affine).build([0.0] * dimension, [1.0] * dimension, 2)
    description = network.architecture()
    assert description["degree"] > order
    assert len(description["intervals"]) == len(description["width"]) + 1 == len(network.layers) >= 2
    assert network(torch.zeros(3, dimension, dtype=torch.float64)).shape == (3, 2)
    assert not open_ended.built


def test_what_was_chosen_stays_chosen():
    chosen = KAN(width=[(2, 1), 3], degree=4, intervals=[5, 3, 2], base="tanh")
    for affine in (True, False):
        description = chosen.sized_for(2, 3, affine=affine).build(LOW, HIGH, 1).architecture()
        assert description["width"] == [[2, 1], [3, 0]]
        assert (description["degree"], description["intervals"], description["base"]) == (4, [5, 3, 2], "tanh")
    assert KAN(intervals=6).sized_for(2, 2, affine=True).build(LOW, HIGH, 1).architecture()["intervals"] == [6, 6]


def test_intervals_are_one_number_or_one_a_layer():
    assert KAN([3], intervals=6).build(LOW, HIGH, 1).architecture()["intervals"] == [6, 6]
    assert KAN([3], intervals=[6, 2]).build(LOW, HIGH, 1).architecture()["intervals"] == [6, 2]
    assert KAN([3]).build(LOW, HIGH, 1).architecture()["intervals"] == [8, 8]


# A module as any other -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [None, "tanh"])
def test_a_state_dict_makes_the_round_trip(base):
    one, other = built([(2, 1)], base, seed=0), built([(2, 1)], base, seed=1)
    other.load_state_dict(one.state_dict())
    points = points_in()
    assert torch.equal(one(points), other(points))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("refined", [False, True], ids=["uniform", "refined"])
@pytest.mark.parametrize("periodic", [None, [False, True]])
def test_an_architecture_and_a_state_are_the_network(dtype, refined, periodic):
    network = built([(2, 1), 2], "silu", refined=refined, periodic=periodic).to(dtype)
    again = KAN.from_architecture(network.architecture(), network.state_dict())
    points = points_in(dtype=dtype)
    assert again(points).dtype == dtype
    assert torch.equal(network(points), again(points))
    assert again.architecture() == network.architecture()


def test_to_and_half_way_back_changes_the_last_digits_only():
    network, points = built([(2, 1)], "silu"), points_in()
    before = network(points).detach()
    assert all(t.dtype == torch.float32 for t in network.to(torch.float32).state_dict().values())
    after = network.to(torch.float64)(points).detach()
    assert torch.allclose(after, before, rtol=1e-4, atol=1e-4)
    assert not torch.equal(after, before)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("refined", [False, True], ids=["uniform", "refined"])
def test_the_network_compiles(backend, refined):
    torch.compiler.reset()
    network, points = built([(2, 1)], "silu", refined=refined), points_in(count=20)
    compiled = torch.compile(network, backend=backend, fullgraph=True)
    expected = network(points)
    found = compiled(points)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-13)
    parameters = list(network.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(found.square().sum(), parameters),
        torch.autograd.grad(expected.square().sum(), parameters),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_edge_curves_are_the_edges():
    """Summed over the inputs and wired by the nodes they give the network's values."""
    network = built([(1, 1)], "silu", outputs=1)
    first, last = network.edge_curves(resolution=5)
    assert first["inputs"].shape == (2, 5)
    assert first["values"].shape == (2, 3, 5)
    assert (first["sums"], first["products"], last["sums"], last["products"]) == (1, 1, 1, 0)
    points = torch.as_tensor(first["inputs"].T.copy())  # the diagonal of the box
    s = first["values"].sum(axis=0)
    nodes = np.stack([s[0], s[1] * s[2]], axis=1)
    with torch.no_grad():
        assert np.allclose(network.node_values(points)[1].numpy(), nodes, rtol=1e-12, atol=1e-12)
    assert first["importance"].shape == (2, 3)
    assert first["importance"].max() == last["importance"].max() == 1
    spread = first["values"].std(axis=2)
    assert np.allclose(first["importance"], spread / spread.max())


# Sizes that no network has -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": [0]}, "at least one node"),
        ({"width": [-3]}, "at least one node"),
        ({"width": [(0, 0)]}, "at least one node"),
        ({"width": [(2, -1)]}, "at least one node"),
        ({"width": [2.5]}, r"like 5 or \(4, 2\), got 2.5"),
        ({"width": [True]}, "got True"),
        ({"width": [(1, 2, 3)]}, r"got \(1, 2, 3\)"),
        ({"width": ["five"]}, "got 'five'"),
        ({"width": 5}, r"list such as \[5, 5\], got 5"),
        ({"width": "55"}, "got '55'"),
        ({"degree": 0}, "network.degree to be a whole number of at least 1, got 0"),
        ({"degree": 3.0}, "got 3.0"),
        ({"degree": True}, "got True"),
        ({"intervals": 0}, "network.intervals to be a whole number of at least 1, got 0"),
        ({"intervals": 2.5}, "got 2.5"),
        ({"intervals": "8"}, "got '8'"),
        ({"intervals": [4, 0], "width": [3]}, "got 0"),
        ({"intervals": [4, 4, 4], "width": [3]}, "2 entries in network.intervals, one a layer, got 3"),
        ({"base": "sliu"}, "unknown base function 'sliu'; did you mean 'silu'"),
        ({"base": 3}, "unknown base function 3"),
    ],
)
def test_sizes_that_no_network_has_are_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        KAN(**settings)


def test_intervals_for_another_number_of_layers_are_refused_when_it_is_known():
    with pytest.raises(ConfigurationError, match="entries in network.intervals, one a layer, got 5"):
        KAN(intervals=[4] * 5).build(LOW, HIGH, 1)
