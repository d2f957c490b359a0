"""The networks that marches are compressed to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from local_rows import uniform

from kanpde import Box, Disk, Problem
from kanpde.calculus.jets import JetPlan
from kanpde.marching import low_rank
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
    ends = zip(problem.domain.low, problem.domain.high, strict=True)
    space = TensorProduct([uniform(low, high, intervals, degree) for low, high in ends])
    grid = np.meshgrid(*(axis.points for axis in space.axes), indexing="ij")
    values = np.stack(function(*grid), axis=-1)
    for a, axis in enumerate(space.axes):
        inverse = np.linalg.pinv(axis.design(axis.points))
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


def test_a_sum_of_few_terms_of_three_coordinates_needs_no_product_of_all_their_functions():
    def fields(x, y, t):
        return sum(np.exp(-k * t) * np.sin(k * x) * np.cos(k * y) for k in (1, 2)), np.cos(2 * t) * (x + y)

    network = compress(Room().domain, interpolated(Room(), fields, 10), 9)
    assert network.width[0] == (3, 12)  # for each of three functions of t: two of the first field, two of the second
    points = np.random.default_rng(0).random((200, 3)) * [1, 2, 1] - [0, 1, 0]
    assert np.abs(network(torch.as_tensor(points)).detach().numpy()[:, 0] - fields(*points.T)[0]).max() < 1e-9


class Spoiled(Problem):
    domain = Disk((0, 0), 1) * Box(t=(0, 1))

    def residual(self, u):
        return u.t - u.xx - u.yy


def spoiled(problem, function):
    """A pass that is the function in the disk, and has large random coefficients where splines do not reach it."""
    slab = interpolated(problem, function, 24, 5).slabs[0]
    x, y, _ = np.meshgrid(*(np.linspace(-1, 1, size) for size in slab.space.shape), indexing="ij")
    noise = np.random.default_rng(0).normal(size=slab.coefficients.shape)
    coefficients = slab.coefficients + (np.hypot(x, y) > 1.36)[..., None] * noise
    return Pass((Slab(0.0, 1.0, slab.axes, coefficients, np.zeros(0), 1e-5, 0.0),))


def test_what_a_solution_is_outside_of_its_shape_costs_no_product_nodes():
    def wave(x, y, t):
        return (np.exp(-t) * np.sin(x + 2 * y),)

    problem = Spoiled()
    network = compress(problem.domain, spoiled(problem, wave), 9)
    assert network.width[0][0] == 1 and network.width[0][1] <= 10
    points = problem.domain.sample_interior(500)
    assert np.abs(network(torch.as_tensor(points)).detach().numpy()[:, 0] - wave(*points.T)[0]).max() < 1e-6


class Pair(Spoiled):
    fields = ("u", "v")


def test_a_small_field_on_a_shape_has_as_many_digits_as_a_large_one():
    def fields(x, y, t):
        return 1e6 * np.exp(x - t) * np.cos(y), np.cos(t) * np.sin(x + y)

    problem = Pair()
    network = compress(problem.domain, interpolated(problem, fields), 9)
    points = problem.domain.sample_interior(200)
    errors = network(torch.as_tensor(points)).detach().numpy() - np.stack(fields(*points.T), axis=1)
    assert (np.abs(errors).max(axis=0) < [1e-3, 1e-9]).all()


def test_lines_between_products_have_the_jets_of_their_splines():
    network = compress(Sheet().domain, interpolated(Sheet(), SHEETS[3]), 9)
    points = torch.as_tensor(np.random.default_rng(0).random((50, 2)))
    plan = JetPlan(2, [(0, 0), (0, 1), (1,)])
    prepared = network.prepare(points, plan)
    with torch.no_grad():
        fast = network.jets(prepared, plan)
    assert torch.allclose(fast, network.jets(prepared, plan), rtol=1e-12, atol=1e-10)
    layer = network.hidden[0]
    assert layer.basis.lines(layer.coefficients) is not None
    with torch.no_grad():
        layer.coefficients[0, 3] += 1e-9
    assert layer.basis.lines(layer.coefficients) is None
