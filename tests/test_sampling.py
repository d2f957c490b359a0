"""Points: where they lie, how evenly, how many on each face, and how they follow a residual."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import qmc

from kanpde.collocation.sampling import (
    SEQUENCES,
    SamplingOptions,
    draw_by_residual,
    points_per_face,
    points_to_retain,
    sample,
    unit_points,
)
from kanpde.errors import ConfigurationError, options
from kanpde.geometry.box import Box
from kanpde.problem.conditions import Data, Dirichlet, Initial, Periodic
from kanpde.problem.problem import Problem

INTERVAL, STRIP = Box(x=(-1, 3)), Box(x=(-2, 1), t=(0, 0.5))
PLATE = Box(x=(0, 1), y=(10, 14), t=(-1, 1))
ROOM = Box(x=(0, 1), y=(0, 2), z=(-1, 0), t=(0, 3))
BOXES = [INTERVAL, STRIP, PLATE, ROOM]

sequence_of = pytest.mark.parametrize("sequence", SEQUENCES)
box_of = pytest.mark.parametrize("box", BOXES, ids=repr)


def random(seed=0):
    return np.random.default_rng(seed)


def blocks(box, conditions):
    """The blocks of a problem on the box by name; the equation is "residual"."""
    members = {"domain": box, "residual": lambda self, u: u.x, "conditions": lambda self: conditions}
    return {block.name: block for block in type("Trial", (Problem,), members)().blocks()}


# The unit cube -------------------------------------------------------------------------------------------------------


@sequence_of
@pytest.mark.parametrize("dimension", [0, 1, 2, 3, 4, 6])
@pytest.mark.parametrize("count", [1, 2, 100, 256])
def test_as_many_points_as_asked_for_lie_in_the_unit_cube(sequence, dimension, count):
    points = unit_points(count, dimension, sequence, random())
    assert points.shape == (count, dimension) and points.dtype == np.float64
    assert ((points >= 0) & (points <= 1)).all() and len(np.unique(points, axis=0)) == (count if dimension else 1)


@sequence_of
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("count", [200, 256])
def test_points_are_more_even_than_random_ones(sequence, dimension, count):
    for seed in range(3):
        even = qmc.discrepancy(unit_points(count, dimension, sequence, random(seed)))
        assert even < qmc.discrepancy(random(seed).random((count, dimension))) / 1.5


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_sobols_points_are_balanced(dimension):
    """Every one of 2^d boxes of the same size gets its share exactly."""
    points = unit_points(256, dimension, "sobol", random())
    counts = [
        np.logical_and.reduce((points >= 0.5) == np.array(half), axis=1).sum()
        for half in itertools.product([False, True], repeat=dimension)
    ]
    assert set(counts) == {256 // 2**dimension}


@sequence_of
def test_the_generator_decides_and_goes_on(sequence):
    one, same, other = (unit_points(64, 2, sequence, random(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    generator = random(3)
    first, second = (unit_points(64, 2, sequence, generator) for _ in range(2))
    assert np.array_equal(first, one) and not np.array_equal(second, one)


@sequence_of
def test_the_generators_state_is_all_that_the_next_points_depend_on(sequence):
    generator, other = random(3), random(5)
    unit_points(64, 2, sequence, generator)
    other.bit_generator.state = generator.bit_generator.state
    assert np.array_equal(*(unit_points(64, 2, sequence, each) for each in (generator, other)))


# Boxes and faces -----------------------------------------------------------------------------------------------------


@box_of
@sequence_of
def test_points_of_the_equation_fill_the_box(box, sequence):
    drawn = sample(blocks(box, {})["residual"], box, 300, sequence, random())
    assert drawn.points.shape == (300, box.dimension) and drawn.index is None
    assert box.contains(drawn.points).all()
    middle, span = (box.low + box.high) / 2, box.high - box.low
    assert (np.abs(drawn.points.mean(axis=0) - middle) < 0.03 * span).all()
    assert (np.ptp(drawn.points, axis=0) > 0.95 * span).all()


@box_of
@sequence_of
def test_points_of_a_condition_lie_on_the_faces_that_their_index_names(box, sequence):
    block = blocks(box, {"rim": Dirichlet(0)})["rim"]
    drawn = sample(block, box, 200, sequence, random())
    assert len(drawn.points) == len(drawn.index) and box.contains(drawn.points).all()
    assert set(drawn.index) == set(range(len(block.faces)))
    for point, number in zip(drawn.points, drawn.index, strict=True):
        face = block.faces[number]
        assert point[face.axis] == (box.low if face.side < 0 else box.high)[face.axis]


def test_the_first_time_and_a_periodic_axis_have_one_face():
    conditions = {"start": Initial(0), "ring": Periodic("x")}
    for name, axis in (("start", 1), ("ring", 0)):
        drawn = sample(blocks(STRIP, conditions)[name], STRIP, 50, "sobol", random())
        assert len(drawn.points) == 50 and not drawn.index.any()
        assert (drawn.points[:, axis] == STRIP.low[axis]).all()


def test_the_two_ends_of_an_interval_are_two_points():
    drawn = sample(blocks(INTERVAL, {"ends": Dirichlet(0)})["ends"], INTERVAL, 100, "sobol", random())
    assert drawn.points.tolist() == [[-1], [3]] and drawn.index.tolist() == [0, 1]


def test_measurements_stay_where_they_were_made():
    points = random().uniform([-2, 0], [1, 0.5], size=(7, 2))
    drawn = sample(blocks(STRIP, {"data": Data(points, np.zeros(7))})["data"], STRIP, 100, "sobol", random())
    assert np.array_equal(drawn.points, points) and drawn.index.tolist() == list(range(7))


def test_a_sample_is_reproducible():
    block = blocks(PLATE, {"rim": Dirichlet(0)})["rim"]
    one, same, other = (sample(block, PLATE, 64, "sobol", random(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.points, same.points) and np.array_equal(one.index, same.index)
    assert not np.array_equal(one.points, other.points)


@box_of
def test_faces_share_points_by_their_measure(box):
    faces = box.resolve([*box.names])
    shares = points_per_face(box, faces, 1000)
    measures = np.array([box.face_measure(face) for face in faces])
    if box.dimension == 1:
        assert shares == [1, 1]
    else:
        assert np.abs(np.array(shares) - 1000 * measures / measures.sum()).max() <= 0.5


def test_no_face_goes_without_points():
    thin = Box(x=(0, 1000), y=(0, 0.001))
    assert min(points_per_face(thin, thin.resolve("boundary"), 10)) >= 2


# Points that follow the residual -------------------------------------------------------------------------------------


def candidates(count=4000):
    return random(1).random((count, 2))


def test_adapted_points_are_candidates_without_repetition():
    pool = candidates()
    chosen = draw_by_residual(pool, pool[:, 0] ** 8, 500, random())
    assert chosen.shape == (500, 2) and len(np.unique(chosen, axis=0)) == 500
    assert set(map(tuple, chosen)) <= set(map(tuple, pool))


def test_adapted_points_gather_where_the_residual_is_large():
    """With r = 1 on a tenth of the candidates and 0 elsewhere, the densities are 11 and 1: 11/20 of the draws."""
    pool = candidates(20_000)
    large = pool[:, 0] < 0.1
    share = large.mean()
    expected = (share + 1) / 2  # Σ (|r|/mean |r| + 1) is 1 + share there, and 2 in all
    chosen = draw_by_residual(pool, -large.astype(float), 500, random())
    found = (chosen[:, 0] < 0.1).mean()
    # Three standard deviations of 500 draws, and a little for what is drawn not being put back.
    assert abs(found - expected) < 3 * np.sqrt(expected * (1 - expected) / 500) + 0.02


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e12])
def test_adapted_points_do_not_depend_on_the_residuals_size(size):
    pool = candidates()
    residual = np.exp(-50 * (pool[:, 1] - 0.5) ** 2)
    assert np.array_equal(
        draw_by_residual(pool, residual, 300, random()), draw_by_residual(pool, size * residual, 300, random())
    )


def test_without_a_residual_all_candidates_are_alike():
    pool = candidates()
    chosen = draw_by_residual(pool, np.zeros(len(pool)), 1000, random())
    assert np.abs(chosen.mean(axis=0) - pool.mean(axis=0)).max() < 0.03


def test_no_more_points_are_chosen_than_there_are():
    pool = candidates(20)
    assert np.array_equal(draw_by_residual(pool, pool[:, 0], 50, random()), pool)
    assert draw_by_residual(pool, pool[:, 0], 0, random()).shape == (0, 2)


def test_adapted_points_are_reproducible():
    pool = candidates()
    one, same, other = (draw_by_residual(pool, pool[:, 0], 100, random(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"interior": 0}, "expected a positive number of sampling.interior points or null, got 0"),
        ({"interior": 2.5}, "sampling.interior"),
        ({"interior": "many"}, "got 'many'"),
        ({"interior": True}, "got True"),
        ({"boundary": -3}, "expected a positive number of sampling.boundary points or null, got -3"),
        ({"sequence": "sobl"}, "expected sampling.sequence in sobol, halton, latin_hypercube, got 'sobl'"),
        ({"adaptive": 1.0}, "expected sampling.adaptive between 0 and 0.95, got 1.0"),
        ({"adaptive": -0.1}, "sampling.adaptive"),
        ({"adaptive": float("nan")}, "sampling.adaptive"),
        ({"adaptive": True}, "sampling.adaptive"),
        ({"adaptive": "half"}, "got 'half'"),
        ({"adaptive": None}, "got None"),
        ({"interor": 10}, "unknown setting sampling.interor; did you mean 'interior'"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_said_in_one_line(settings, said):
    with pytest.raises(ConfigurationError) as caught:
        options(SamplingOptions, "sampling", settings)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [None, {}, {"interior": None, "adaptive": 0}, {"adaptive": 0.95, "boundary": 1}])
def test_settings_that_can_be_are_taken(settings):
    taken = options(SamplingOptions, "sampling", settings)
    assert all(getattr(taken, name) == value for name, value in (settings or {}).items())
    assert options(SamplingOptions, "sampling", taken) is taken


def test_points_above_the_mean_are_retained_in_their_order():
    assert points_to_retain(np.array([0.0, 5.0, -4.0, 1.0, 0.0]), 5).tolist() == [1, 2]


def test_the_largest_are_retained_where_there_is_no_room_for_more():
    residual = np.array([9.0, 0.0, -11.0, 0.0, 10.0, 0.0, 0.0])
    assert points_to_retain(residual, 2).tolist() == [2, 4]
    assert points_to_retain(residual, 0).tolist() == []


def test_none_is_retained_where_all_are_alike():
    assert points_to_retain(np.full(6, -2.0), 3).tolist() == []
