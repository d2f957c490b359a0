"""Frames of cells: points there and back, and partial derivatives by the chain rule."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kanpde.geometry.frame import Frame, PolarFrame, polar

AFFINE = Frame(np.array([0.5, -1.0, 0.0]), np.array([2.0, 0.25, 1.0]))
UPPER, LOWER = (PolarFrame(np.zeros(3), np.ones(3), center=(0.3, 0.1), radii=(0.4, 2.0), side=side) for side in (1, -1))


def points_beside(frame, count=16):
    unit = torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return frame.outwards(unit), unit


@pytest.mark.parametrize("frame", [AFFINE, UPPER, LOWER])
def test_points_go_out_and_come_back(frame):
    points, unit = points_beside(frame)
    assert torch.allclose(frame.inwards(points), unit, atol=1e-14)


def test_the_halves_of_a_ring_lie_above_and_below_its_centre():
    assert (points_beside(UPPER)[0][:, 1] > 0.1).all() and (points_beside(LOWER)[0][:, 1] < 0.1).all()


@pytest.mark.parametrize("frame", [AFFINE, UPPER, LOWER])
@pytest.mark.parametrize("partial", [(0,), (1,), (0, 0), (0, 1), (1, 1), (0, 1, 2), (0, 0, 1, 1)])
def test_partials_agree_with_automatic_differentiation(frame, partial):
    points, unit = points_beside(frame)

    def inner(orders):  # of exp(ξ) sin(2 η) (1 + τ)
        first, second, third = (orders.count(axis) for axis in range(3))
        last = 1 + unit[:, 2] if third == 0 else torch.ones(len(unit)) if third == 1 else torch.zeros(len(unit))
        return torch.exp(unit[:, 0]) * 2**second * torch.sin(2 * unit[:, 1] + second * math.pi / 2) * last

    outer = points.clone().requires_grad_()
    place = frame.inwards(outer)
    value = torch.exp(place[:, 0]) * torch.sin(2 * place[:, 1]) * (1 + place[:, 2])
    for axis in partial:
        value = torch.autograd.grad(value.sum(), outer, create_graph=True)[0][:, axis]
    found = frame.physical(inner, points)(partial)
    assert torch.allclose(found, value.detach(), rtol=1e-11, atol=1e-11)
    assert all(len(needed) <= len(partial) for needed in frame.needed(partial))


def test_the_laplacian_in_polar_coordinates():
    xx, yy = polar(2, 0), polar(0, 2)
    assert xx[(2, 0)] == {(2, 0, 0): 1.0} and yy[(2, 0)] == {(0, 2, 0): 1.0}
    assert xx[(0, 2)] == {(0, 2, 2): 1.0} and yy[(0, 2)] == {(2, 0, 2): 1.0}
