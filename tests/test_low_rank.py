"""The networks that marches are compressed to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from local_rows import uniform

from kanpde import Box, Problem
from kanpde.calculus.jets import JetPlan
from kanpde.marching import low_rank
from kanpde.marching.axes import design, points_of
from kanpde.marching.low_rank import compress
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.tensor_product import TensorProduct


class Sheet(Problem):
    domain = Box(x=(0, 1), t=(0, 2))

    def residual(self, u):
        return u.t - u.xx


class Room(Problem):
    domain = Box(x=(0, 1), y=(-1, 1), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v):
        return u.t - u.xx, v.t - v.yy


def interpolated(problem, function, intervals=10, degree=9):
    """A pass of one slab that is the function, a tuple of arrays for the fields."""
    bounds = problem.domain.bounds().values()
    space = TensorProduct([uniform(low, high, intervals, degree) for low, high in bounds])
    grid = np.meshgrid(*(points_of(axis) for axis in space.axes), indexing="ij")
    values = np.stack(function(*grid), axis=-1)
    for a, axis in enumerate(space.axes):
        inverse = np.linalg.pinv(design(axis, points_of(axis)))
        values = np.moveaxis(np.tensordot(inverse, values, (1, a)), 0, a)
    return Pass((Slab(0.0, 1.0, space.axes, values, np.zeros(0), 1e-10, 0.0),))


SHEETS = {
    1: lambda x, t: (np.exp(-t) * np.sin(3 * x),),
    2: lambda x, t: (np.sin(x + t),),
    3: lambda x, t: (1 / (3 + x) + np.cos(x + t),),
}


@pytest.mark.parametrize("rank", SHEETS)
def test_a_plane_field_has_as_many_product_nodes_as_it_has_rank(rank):
    network = compress(Sheet().domain, interpolated(Sheet(), SHEETS[rank]), 9)
    assert network.width == ((0, rank),)
    points = np.random.default_rng(0).random((200, 2)) * [1, 2]
    found = network(torch.as_tensor(points)).detach().numpy()[:, 0]
    assert np.abs(found - SHEETS[rank](*points.T)[0]).max() < 1e-9


class Rope(Problem):
    domain = Box(x=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v):
        return u.xx, v.xx


@pytest.mark.parametrize("many", [10, 1000])  # by sparse matrices, and by orthonormal functions
def test_fields_of_one_coordinate_have_one_edge_each(many, monkeypatch):
    def fields(x):
        return np.exp(-x) * np.sin(9 * x), 1 / (1 + x**2)

    monkeypatch.setattr(low_rank, "MANY", many)
    network = compress(Rope().domain, interpolated(Rope(), fields, 40), 9)
    points = np.random.default_rng(0).random((200, 1))
    found = network(torch.as_tensor(points)).detach().numpy()
    assert np.abs(found - np.stack(fields(points[:, 0]), axis=1)).max() < 1e-12


def test_a_field_of_three_coordinates_is_in_tuckers_form():
    def fields(x, y, t):
        return np.sin(x) * np.cos(y) * np.exp(-t) + x * y, np.cos(x + y) * np.exp(-t)

    network = compress(Room().domain, interpolated(Room(), fields, 6), 9)
    points = np.random.default_rng(0).random((200, 3)) * [1, 2, 1] - [0, 1, 0]
    found = network(torch.as_tensor(points)).detach().numpy()
    assert len(network.width) == 2 and np.abs(found - np.stack(fields(*points.T), axis=1)).max() < 1e-9


def test_a_compressed_network_has_exact_derivatives():
    network = compress(Sheet().domain, interpolated(Sheet(), SHEETS[2]), 9)
    points = torch.as_tensor(np.random.default_rng(0).random((50, 2)))
    plan = JetPlan(2, [(0, 0), (0, 1)])
    jets = network.jets(network.prepare(points, plan), plan)[..., 0]
    assert torch.allclose(jets[:, plan.index[0, 1]], -torch.sin(points.sum(1)), atol=1e-7)


class Hall(Problem):
    domain = Box(x=(0, 1), y=(0, 1), z=(0, 2), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v):
        return u.t - u.xx, v.t - v.zz


def test_a_field_in_space_and_time_is_a_sum_of_products_of_pairs():
    def fields(x, y, z, t):
        return np.exp(-t) * np.sin(x + y) * z + np.cos(t * z), np.sin(x) * np.sin(y) * np.cos(t + z)

    network = compress(Hall().domain, interpolated(Hall(), fields, 3, 5), 5)
    assert network.width[1] == (0, 3)  # sin(x + y) · z exp(-t) and 1 · cos(tz); sin x sin y · cos(t + z)
    points = np.random.default_rng(0).random((200, 4)) * [1, 1, 2, 1]
    found = network(torch.as_tensor(points)).detach().numpy()
    assert np.abs(found - np.stack(fields(*points.T), axis=1)).max() < 1e-5
