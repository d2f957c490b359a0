"""Penalties, pruning, reading: what goes is not missed, what is needed stays, what harms is taken back."""

from __future__ import annotations

import copy

import pytest
import sympy as sp
import torch
from readable_cases import (
    UNIT,
    Flat,
    additive_solution,
    flat_solution,
    live_edges,
    points_in,
    random_network,
    solved,
)

from kanpde import KAN, Solution, as_sympy, prune, read, refit, sparsify
from kanpde.errors import ConfigurationError
from kanpde.network import penalties
from kanpde.network.objective import Penalised
from kanpde.network.penalties import Majorised, looked_at, spreads_of
from kanpde.optim.least_squares import Linearisation
from kanpde.readable import Regularisation, penalty_rows, pruning
from kanpde.readable.gauge import passing, straightened
from kanpde.readable.naming import likely
from kanpde.readable.pruning import reaches
from kanpde.readable.refitting import FixedRows
from kanpde.readable.source import importances, points_of, renewed
from kanpde.readable.suggestions import Suggestion

# Penalties -----------------------------------------------------------------------------------------------------------


def test_penalties_do_not_depend_on_scale_and_vanish_for_one_edge():
    network, points = random_network([(1, 1)]), points_in(UNIT, 64)
    options = Regularisation(1.0, 1.0, 1.0)
    before = penalty_rows(network, options, points)
    scaled = copy.deepcopy(network)
    with torch.no_grad():
        scaled.layers[1].coefficients *= 3.7
    assert torch.allclose(penalty_rows(scaled, options, points), before, rtol=1e-9)
    with torch.no_grad():
        for layer in network.layers:
            layer.coefficients[1:], layer.coefficients[:, :, 1:] = 0, 0
    assert float(penalty_rows(network, Regularisation(), points).detach().square().sum()) < 1e-9


def test_penalty_rows_are_the_formulas_of_their_docstring():
    network, points = random_network([2]), points_in(UNIT, 64)
    layer = network.first
    values = layer.edges(layer.features(points, 3))
    s = values[0].std(dim=0, correction=0)
    p = s / s.sum()
    low, high = layer.basis.range()
    rough = (((high - low) / 2)[:, None].pow(4) * values[2].square().mean(dim=0)).sum() / s.square().sum()
    parts = [(s.sum() / s.square().sum().sqrt() - 1), -(p * p.log()).sum(), rough]
    for which, expected in enumerate(parts):
        options = Regularisation(*(2.0 * (k == which) for k in range(3)))
        rows = penalty_rows(network, options, points)
        assert float(rows[: len(rows) // 2 if which < 2 else 1 + p.numel()].detach().square().sum()) == pytest.approx(
            2 * float(expected.detach()), rel=1e-6
        )


def test_the_majorised_penalty_has_the_penaltys_slope():
    network, points = random_network([3]), points_in(UNIT, 64)
    options = Regularisation(1.0, 0.0, 0.5)
    spreads = [spreads_of(edges) for edges in looked_at(network, points, curved=False)]
    parameters = list(network.parameters())
    rows = Majorised(network, options, points).rows(network)
    found = torch.autograd.grad(rows.square().sum(), parameters)
    # Only edges that a smaller spread makes sparser count, and sizes of layers are held.
    pushed = [(1 / s.square().sum().sqrt() - s.sum() * s / s.square().sum() ** 1.5).clamp_min(0) for s in spreads]
    smooth = [
        penalties.roughness(edges).square().sum() / s.square().sum().detach()
        for edges, s in zip(looked_at(network, points, curved=True), spreads, strict=True)
    ]
    total = sum((w.detach() * s).sum() for w, s in zip(pushed, spreads, strict=True)) + 0.5 * sum(smooth)
    expected = torch.autograd.grad(total, parameters)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_the_jacobian_with_penalties_is_the_slope_of_its_rows():
    solution = additive_solution()
    solution = Solution(Flat(), copy.deepcopy(solution.model), solution.history, solution.record)
    with torch.no_grad():
        solution.network.first.coefficients += torch.linspace(-1, 1, 26, dtype=torch.float64).sin().view(2, 13, 1)
    residuals = FixedRows(solution).residuals(solution)
    problem = Penalised(
        solution.model, residuals, Majorised(solution.network, Regularisation(1, 1, 1), points_in(UNIT, 32)), 1e-2
    )
    vector = solution.model.vector
    direction = torch.randn(vector.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    linear = problem.linearise(vector)
    assert isinstance(linear, Linearisation)
    pieces = list(problem.chunks_of_rows(vector))
    assert torch.equal(torch.cat([jacobian for jacobian, _ in pieces]), linear.factor)
    assert torch.equal(torch.cat([rows for _, rows in pieces]), linear.residual)
    assert torch.allclose(linear.residual, problem.residual(vector), rtol=1e-9, atol=1e-14)
    step = 1e-5 * direction
    slope = (problem.residual(vector + step) - problem.residual(vector - step)) / 2
    assert (linear.product_and_pullback(step)[0] - slope).norm() < 1e-5 * slope.norm()
    loss, gradient = problem.gradient(vector)
    assert loss == pytest.approx(linear.loss) and torch.allclose(gradient, 2 * linear.factor.T @ linear.residual)


# Pruning a network ---------------------------------------------------------------------------------------------------


def test_importance_is_the_change_when_an_edge_is_replaced_by_its_mean():
    network, points = random_network([(1, 1), 2]), points_in(UNIT)
    found = importances(network, points)
    with torch.no_grad():
        before = network(points)
        inputs = network.node_values(points)
        for position, (i, o) in [(0, (1, 2)), (1, (0, 1)), (2, (1, 0))]:
            changed = copy.deepcopy(network)
            layer = changed.layers[position]
            mean = layer.edges(layer.features(inputs[position], 1))[0, :, i, o].mean()
            layer.coefficients[i, :, o] = mean
            expected = (changed(points) - before).square().mean().sqrt() / before.std(correction=0)
            assert float(found[position][i, o]) == pytest.approx(float(expected), rel=1e-9)


def planted():
    """[2, (2, 1), 1] in which the second sum node and one factor of the product are constants, and y feeds little."""
    network = random_network([(2, 1)])
    with torch.no_grad():
        first = network.first
        first.coefficients[:, :, 1] = 0.7
        first.coefficients[:, :, 3] = 0.4
        first.coefficients[1, :, 2] *= 1e-4
    return network


def test_pruning_keeps_the_function_and_removes_nodes():
    network, points = planted(), points_in(UNIT)
    before = network(points)
    smaller = prune(network, threshold=1e-3)
    assert smaller.architecture()["width"] == [[2, 0]]  # one constant node gone, a product with a constant a sum
    assert live_edges(smaller) == 3 + 2 and live_edges(network) == 8 + 3
    assert (smaller(points) - before).abs().max() < 1e-3 * before.std()
    assert network(points).equal(before)


def test_pruning_carries_atoms_along():
    network, points = planted(), points_in(UNIT)
    fixed = network.first.hold({(0, 2): "sin", (1, 0): "exp"})
    with torch.no_grad():
        fixed.affine.copy_(torch.tensor([[0.3, 0.0, 2.0, 0.1], [3.0, 0.2, 0.5, -0.3]]))
    smaller = prune(network, threshold=1e-3)
    assert sorted(smaller.first.fixed.names) == ["exp", "sin"]
    assert (smaller(points) - network(points)).abs().max() < 2e-3 * network(points).std()


def test_pruning_never_severs_what_is_needed():
    network = random_network([2, 2], outputs=2)
    needed = pruning.dependence(network, points_of(network)) > 0.05
    smaller = prune(network, threshold=0.05)
    assert needed.all() and reaches(smaller).all()
    smallest = prune(random_network([3, 3]), threshold=1e9)
    assert smallest(points_in(UNIT)).std() > 0  # nothing is needed by so much, but an output is never a constant


def test_paths_through_products_are_seen():
    network = random_network([(0, 1)])
    assert reaches(network).all()
    network.first.hold({}, [(1, 0), (1, 1)])
    assert reaches(network)[:, 0].tolist() == [True, False]


def test_a_pruned_network_is_saved_and_loaded(tmp_path):
    smaller = prune(planted(), threshold=1e-3)
    again = KAN.from_architecture(smaller.architecture(), smaller.state_dict())
    points = points_in(UNIT)
    assert torch.equal(again(points), smaller(points))


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigurationError, match="expected threshold to be a positive number, got -1"):
        prune(planted(), threshold=-1)
    with pytest.raises(ConfigurationError, match="expected a solution to prune greedily"):
        prune(planted(), greedy=True)
    with pytest.raises(ConfigurationError, match="expected l1 to be a number of at least 0, got -1"):
        sparsify(additive_solution(), l1=-1)
    with pytest.raises(ConfigurationError, match="expected budget_seconds to be a positive number, got 0"):
        read(additive_solution(), budget_seconds=0)
    for function in (read, refit, sparsify):
        with pytest.raises(ConfigurationError, match="expected a solution, got KAN; a network alone has no problem"):
            function(planted())


# Pruning and reading a solution --------------------------------------------------------------------------------------


def test_sparsifying_leaves_fewer_edges_at_no_great_loss():
    """From some starts the plain network is the sparsest one already, so the edges of three starts are counted."""
    counts = []
    for seed in (0, 6, 7):
        solution = solved(KAN(width=[(2, 1)], degree=6, intervals=[4, 3]), 25, seed)
        plain, sparse = prune(solution, threshold=0.03), prune(sparsify(solution), threshold=0.03)
        counts.append((live_edges(plain.network), live_edges(sparse.network)))
        assert sparse.errors()["relative_l2"] < max(1e-6, 10 * solution.errors()["relative_l2"])
    assert all(after <= before for before, after in counts)
    assert sum(after for _, after in counts) < sum(before for before, _ in counts)


def test_greedy_pruning_leaves_one_path():
    solution = prune(flat_solution(), greedy=True)
    assert solution.network.architecture()["width"] == [[1, 0]] and live_edges(solution.network) == 2
    assert reaches(solution.network)[:, 0].tolist() == [True, False]
    assert solution.errors()["relative_l2"] < 1e-6


def test_a_pruning_that_does_harm_is_taken_back(monkeypatch):
    solution = flat_solution()
    monkeypatch.setattr(pruning, "STEPS", 1)
    kept = prune(solution, threshold=0.9, factor=1.5, tolerance=1e-12)
    assert FixedRows(solution).loss(kept) <= 1.5 * FixedRows(solution).start
    harmed = renewed(solution, prune(solution.network, threshold=0.9))
    assert FixedRows(solution).loss(harmed) > 1.5 * FixedRows(solution).start


def test_a_solution_is_read_as_its_formula(tmp_path):
    named = read(additive_solution())
    assert named.network.first.fixed.names == ("sin",) and named.network.first.fixed.pruned == ((1, 0),)
    assert named.errors()["relative_l2"] < 1e-13
    x = sp.Symbol("x", real=True)
    assert as_sympy(named, decimals=9) == sp.sin(sp.Float(3.141592654) * x)
    named.save(tmp_path / "run.kan")
    again = Solution.load(tmp_path / "run.kan", Flat())
    assert again(x=0.3, y=0.2) == named(x=0.3, y=0.2) and as_sympy(again) == as_sympy(named)


def test_names_that_do_harm_are_taken_back():
    solution = additive_solution()
    kept = read(solution, atoms=["x", "x^2", "gaussian"])
    assert kept.network.first.fixed.names == ()
    assert FixedRows(solution).loss(kept) <= FixedRows(solution).start


def test_an_edge_that_is_nearly_an_atom_is_read_by_the_formula_alone():
    solution = prune(additive_solution())
    assert solution.network.first.fixed.names == ()
    x, error = sp.Symbol("x", real=True), 1e-6
    assert as_sympy(solution, tolerance=error, decimals=4) == sp.sin(sp.Float(3.1416) * x)
    with pytest.raises(ConfigurationError, match="got a spline at"):
        as_sympy(solution, tolerance=1e-13)


def test_a_node_that_passes_on_is_straightened_without_a_change():
    network = random_network([2], intervals=24)
    network.first.hold({}, [(1, 0)])
    assert passing(network) == [(0, 0)]
    straight, points = straightened(network, 0, 0), points_in(UNIT)
    assert straight.first.fixed.names == ("x",)
    assert (straight(points) - network(points)).abs().max() < 1e-2 * network(points).std()  # its grid had an end


def test_a_refit_finds_its_way_back():
    solution = additive_solution()
    spoiled = Solution(Flat(), copy.deepcopy(solution.model), solution.history, solution.record)
    with torch.no_grad():
        spoiled.network.first.coefficients[:, 3] += 1e-2
    assert spoiled.errors()["relative_l2"] > 1e-4
    assert refit(spoiled).errors()["relative_l2"] < 1e-7


def test_a_simple_atom_is_tried_before_a_nearer_one():
    fits = [Suggestion(name, error, 1, 0, 1, 0) for name, error in (("sinh", 1e-7), ("exp", 1e-4), ("tan", 0.4))]
    assert [fit.name for fit in likely(fits)] == ["exp", "sinh"]
