"""Sums over the points of a grid that lie inside a shape, against plain sums."""

import numpy as np
import pytest
import torch

from kanpde.calculus.jets import JetPlan
from kanpde.geometry.round import Disk
from kanpde.marching.axes import SplineAxis
from kanpde.marching.piece import CutGrid, Image
from kanpde.marching.quadrature import in_shape
from kanpde.marching.tensor_product import Local, OnCutGrid, Scattered, TensorProduct

PLAN = JetPlan(2, [(), (0,), (1, 1)])


@pytest.fixture
def images():
    """The splines at the points inside a disk, as part of a grid and point by point."""
    domain = Disk((0.3, -0.2), 0.9)
    axes = [SplineAxis(np.linspace(low, high, 6), 4) for low, high in zip(domain.low, domain.high, strict=True)]
    where, space = in_shape((), domain, axes), TensorProduct(axes)
    points = torch.as_tensor(where.points)
    return tuple(Image.of(points, space, PLAN, None, shapes) for shapes in (where.shapes, ()))


def test_a_part_of_a_grid_has_the_jets_of_its_points_and_their_adjoint(images):
    cut, local = images
    assert isinstance(cut.parts[0], OnCutGrid) and isinstance(local.parts[0], Local)
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randn(cut.space.size, 2, generator=generator, dtype=torch.float64)
    jets = cut.own_jets(coefficients)
    torch.testing.assert_close(jets, local.own_jets(coefficients), rtol=1e-12, atol=1e-10)
    weights = torch.randn(jets.shape, generator=generator, dtype=torch.float64)
    adjoint = cut.adjoint(weights)
    torch.testing.assert_close(adjoint, local.adjoint(weights), rtol=1e-12, atol=1e-9)
    assert float((adjoint * coefficients).sum()) == pytest.approx(float((weights * jets).sum()), rel=1e-10)


def test_other_points_than_those_of_the_grid_are_evaluated_one_by_one(images):
    cut = images[0]
    shapes = CutGrid.of(cut.points.numpy(), np.ones(len(cut.points), dtype=bool), (len(cut.points), 1))
    assert shapes == ()
    grid = CutGrid((torch.linspace(-0.5, 1.0, 3).double(), torch.linspace(-1, 0.5, 3).double()), torch.arange(4))
    moved = torch.cartesian_prod(*grid.lines)[:4] + 0.01
    assert isinstance(Image.of(moved, cut.space, PLAN, None, grid).parts[0], Local)


def test_scattered_points_in_space_have_the_jets_of_all_products():
    axes = [SplineAxis(np.linspace(0, 1, 3 + a), 3, periodic=a == 1) for a in range(3)]
    space, plan = TensorProduct(axes), JetPlan(3, [(), (0,), (1, 2), (2, 2)])
    generator = torch.Generator().manual_seed(2)
    points = torch.rand(50, 3, generator=generator, dtype=torch.float64)
    coefficients = torch.randn(space.size, 2, generator=generator, dtype=torch.float64)
    found = space.at_points(points, plan)
    assert isinstance(found, Scattered)
    local = space.local(points, plan)
    torch.testing.assert_close(found.jets(coefficients), local.jets(coefficients), rtol=1e-11, atol=1e-11)
    weights = torch.randn(50, len(plan), 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(found.adjoint(weights), local.adjoint(weights))
    assert found.jets(coefficients)[:0].shape == Scattered(space, points[:0], plan).jets(coefficients).shape
