"""Tensor products: derivatives of polynomials, and grids against their points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from local_rows import F64, uniform

from kanpde.calculus.corner_functions import Corner, CornerFunction
from kanpde.calculus.jets import JetPlan
from kanpde.marching.axes import LegendreAxis
from kanpde.marching.enriched_product import EnrichedProduct
from kanpde.marching.line import WIDER
from kanpde.marching.tensor_product import OnGrid, TensorProduct, lines_of


def test_a_tensor_product_differentiates_polynomials_exactly():
    space = TensorProduct([uniform(-1, 1, 3), LegendreAxis(np.array([0.0, 2.0]), 5), uniform(0, 1, 2, 5)])
    points = torch.as_tensor(np.random.default_rng(1).random((40, 3)) * [2, 2, 1] - [1, 0, 0])
    plan = JetPlan(3, [(0, 0, 1), (1, 2), (2, 2)])
    grid = np.meshgrid(*(axis.points for axis in space.axes), indexing="ij")
    values = (grid[0] ** 3 * grid[1] ** 2 + grid[2] ** 4 * grid[1])[..., None]
    for a, axis in enumerate(space.axes):
        inverse = np.linalg.pinv(axis.design(axis.points))
        values = np.moveaxis(np.tensordot(inverse, values, (1, a)), 0, a)
    jets = space.local(points, plan).jets(torch.as_tensor(values).flatten(0, -2))[..., 0]
    x, y, z = points.T
    expected = {(0, 0, 1): 12 * x * y, (1, 2): 4 * z**3, (2, 2): 12 * z**2 * y, (): x**3 * y**2 + z**4 * y}
    for partial, value in expected.items():
        assert torch.allclose(jets[:, plan.index[partial]], value, atol=1e-9)


@pytest.mark.parametrize("periodic", [False, True])
def test_on_a_grid_jets_and_their_transpose_are_those_of_its_points(periodic):
    space = TensorProduct([uniform(-1, 1, 4, 5, periodic), LegendreAxis(np.array([0.0, 2.0]), 4), uniform(0, 1, 1, 3)])
    lines = [torch.linspace(-1, 0.9, 7, dtype=F64), torch.tensor([0.3, 1.9], dtype=F64), torch.tensor([0.0], dtype=F64)]
    points = torch.stack(torch.meshgrid(*lines, indexing="ij"), dim=-1).reshape(-1, 3)
    assert all(torch.equal(*pair) for pair in zip(lines, lines_of(points, (7, 2, 1)), strict=True))
    assert lines_of(points.flip(0).roll(1, 0), (7, 2, 1)) is None
    plan = JetPlan(3, [(0, 0, 1), (1, 2)])
    grid, local = space.on_grid(lines, plan), space.local(points, plan)
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randn(space.size, 2, dtype=F64, generator=generator)
    adjoint = torch.randn(14, len(plan), 2, dtype=F64, generator=generator)
    assert isinstance(grid, OnGrid) and torch.allclose(grid.jets(coefficients), local.jets(coefficients), atol=1e-10)
    assert torch.allclose(grid.adjoint(adjoint), local.adjoint(adjoint), atol=1e-10)
    assert abs(float((grid.jets(coefficients) * adjoint).sum() - (coefficients * grid.adjoint(adjoint)).sum())) < 1e-9


@pytest.mark.parametrize("periodic", [False, True])
def test_a_long_axis_gives_the_same_by_groups_as_by_whole_matrices(periodic):
    space = TensorProduct([uniform(-1, 1, 200, 5, periodic), LegendreAxis(np.array([0.0, 2.0]), 3)])
    lines, plan = [axis.points for axis in space.axes], JetPlan(2, [(0, 0, 1)])
    grid = space.on_grid([torch.as_tensor(each) for each in lines], plan)
    line = grid.lines[0]
    assert line.each > 1 and line.size * line.each > WIDER * line.columns.shape[1]
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randn(line.size, 3, dtype=F64, generator=generator)
    rows = torch.randn(3, len(line.columns), dtype=F64, generator=generator)
    for order, matrix in enumerate(line.matrices):
        assert torch.allclose(line.product(order, coefficients), (matrix @ coefficients).T, rtol=1e-12)
        exact = matrix.T @ rows.T
        assert torch.allclose(line.transposed(order, rows), exact, atol=1e-12 * float(exact.abs().max()))


def test_on_a_grid_singular_functions_are_those_of_its_points():
    lines = [torch.linspace(0.1, 0.9, 4, dtype=F64), torch.linspace(-0.8, 0.7, 3, dtype=F64)]
    functions = [CornerFunction(Corner((0.0, 0.0), 0.0, 1.5 * math.pi), 2 / 3)]
    space, plan = EnrichedProduct([uniform(0, 1, 2), uniform(-1, 1, 3)], functions), JetPlan(2, [(0,), (1, 1)])
    coefficients = torch.randn(space.size, 1, dtype=F64, generator=torch.Generator().manual_seed(0))
    points = torch.cartesian_prod(*lines)
    expected = space.local(points, plan).jets(coefficients)
    assert torch.equal(space.on_grid(lines, plan).jets(coefficients), expected)
