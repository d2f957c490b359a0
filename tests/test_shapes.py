"""Shapes satisfy what calculus says about them: areas, the divergence theorem, normals, and what is inside."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kanpde import Annulus, Ball, Box, Disk, Ellipse, Polygon, Shell
from kanpde.collocation.sampling import sample
from kanpde.errors import ProblemError
from kanpde.geometry.domain import outward_normals
from kanpde.geometry.shape import Product, Shape
from kanpde.problem.block import Block

PLATE = Box(x=(0, 2), y=(0, 1))
HOLE, OTHER = Disk((0.5, 0.5), 0.2, name="hole"), Disk((1.5, 0.5), 0.2, name="other")
UNIT, RIGHT = Disk((0, 0), 1), Disk((1, 0), 1)
L_SHAPE = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
TRIANGLE = Polygon([(0, 0), (3, 0), (0, 3)])
CUBE = Box(x=(0, 1), y=(0, 1), z=(0, 1))
LENS = 2 * math.pi / 3 - math.sqrt(3) / 2  # the area common to two unit circles through each other's centre

# shape, measure, measure of the whole boundary
PLANE = {
    "disk": (Disk((0.3, -0.2), 0.7), 0.49 * math.pi, 1.4 * math.pi),
    "ellipse": (Ellipse((0, 1), (2, 0.5)), math.pi, 8.578421775),
    "annulus": (Annulus((0, 0), 1, 2), 3 * math.pi, 6 * math.pi),
    "L": (L_SHAPE, 3, 8),
    "clockwise": (Polygon(L_SHAPE.vertices[::-1]), 3, 8),
    "holes": (PLATE - HOLE - OTHER, 2 - 0.08 * math.pi, 6 + 0.8 * math.pi),
    "bite": (PLATE - Disk((0, 0), 0.5), 2 - math.pi / 16, 5 + math.pi / 4),
    "half": (UNIT & Box(x=(0, 2), y=(-2, 2)), math.pi / 2, 2 + math.pi),
    "lens": (UNIT & RIGHT, LENS, 4 * math.pi / 3),
    "union": (UNIT | RIGHT, 2 * math.pi - LENS, 8 * math.pi / 3),
    "moon": (UNIT - RIGHT, math.pi - LENS, 2 * math.pi),
    "neighbours": (PLATE | Box(x=(2, 3), y=(0, 1)), 3, 8),
    "corner": (Box(x=(0, 2), y=(0, 2)) - Box(x=(1, 2), y=(1, 2)), 3, 8),
    "stadium": (Box(x=(-1, 1), y=(-1, 1)) | Disk((-1, 0), 1) | RIGHT, 4 + math.pi, 4 + 2 * math.pi),
    "twice": (UNIT | Disk((0, 0), 1), math.pi, 2 * math.pi),
    "triangle": (TRIANGLE - Disk((0.8, 0.8), 0.3), 4.5 - 0.09 * math.pi, 6 + math.sqrt(18) + 0.6 * math.pi),
}  # fmt: skip
SPACE = {
    "ball": (Ball((0, 0, 1), 2), 32 / 3 * math.pi, 16 * math.pi),
    "shell": (Shell((0, 0, 0), 1, 2), 28 / 3 * math.pi, 20 * math.pi),
    "cavity": (CUBE - Ball((0.5, 0.5, 0.5), 0.3), 1 - 0.036 * math.pi, 6 + 0.36 * math.pi),
    "cylinder": (UNIT * Box(z=(0, 2)), 2 * math.pi, 6 * math.pi),
    "plate in time": ((PLATE - HOLE) * Box(t=(0, 2)), 4 - 0.08 * math.pi, 16 + 0.72 * math.pi),
    "line": (Box(x=(0, 3)) - Box(x=(1, 2)), 2, 4),
}  # fmt: skip
ALL = {**PLANE, **SPACE}


@pytest.mark.parametrize("name", ALL)
def test_areas_and_perimeters(name: str) -> None:
    shape, measure, boundary = ALL[name]
    points, weights = shape.quadrature(4000)
    assert shape.measure == pytest.approx(measure, rel=1e-12)
    assert shape.contains(points).all()
    assert weights.sum() == pytest.approx(measure, rel=1e-11)
    assert sum(shape.face_measure(face) for face in shape.faces.values()) == pytest.approx(boundary, rel=1e-10)
    assert shape.face_points(list(shape.faces), 3000)[2].sum() == pytest.approx(boundary, rel=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_divergence_theorem(name: str) -> None:
    """∮ F·n = ∫ div F for F = (x³, y³, …) and for F = (e^x, 0, …)."""
    shape = ALL[name][0]
    inside, weights = shape.quadrature(6000)
    points, normals, lengths = shape.face_points(list(shape.faces), 2000)
    accuracy = 1e-10 if name != "cavity" else 1e-3  # lines that touch a ball cost the order
    assert lengths @ (points**3 * normals).sum(axis=1) == pytest.approx(
        3 * weights @ (inside**2).sum(axis=1), rel=accuracy
    )
    flux, source = lengths @ (np.exp(points) * normals)[:, 0], weights @ np.exp(inside)[:, 0]
    assert flux == pytest.approx(source, rel=accuracy, abs=accuracy)


@pytest.mark.parametrize("name", ALL)
def test_normals_point_out_of_what_the_shape_contains(name: str) -> None:
    shape = ALL[name][0]
    for face in shape.faces.values():
        for points, normals, weights in (shape.face_points(face.name, 400), shape.sample_face(face.name, 32, seed=1)):
            assert weights.sum() == pytest.approx(shape.face_measure(face), rel=1e-6)
            assert np.linalg.norm(normals, axis=1) == pytest.approx(1, rel=1e-12)
            assert shape.contains(points).all() and np.abs(shape.inside(points)).max() < 1e-13
            assert shape.contains(points - 1e-6 * normals).all() and not shape.contains(points + 1e-6 * normals).any()
            assert not np.delete(normals, face.axes, axis=1).any()
            given = torch.as_tensor(points, dtype=torch.float32)
            assert np.abs(outward_normals(shape, (face,), given, None).numpy() - normals).max() < 1e-5


@pytest.mark.parametrize("name", ALL)
def test_points_are_spread_evenly(name: str) -> None:
    """Means over quasi-random points come near the means by quadrature, inside and on every face."""
    shape = ALL[name][0]
    inside = shape.sample_interior(4096, seed=2)
    points, weights = shape.quadrature(4000)
    assert inside.shape == (4096, shape.dimension) and shape.contains(inside).all()
    scale = np.abs(points).max(axis=0)
    assert (np.abs(inside.mean(axis=0) - weights @ points / weights.sum()) < 0.01 * scale).all()
    for face in shape.faces:
        drawn, _, _ = shape.sample_face(face, 2048, seed=3)
        points, _, weights = shape.face_points(face, 500)
        assert (np.abs(drawn.mean(axis=0) - weights @ points / weights.sum()) < 0.01 * scale).all()


@pytest.mark.parametrize("name", PLANE)
def test_levels_agree_with_what_is_contained(name: str) -> None:
    shape = PLANE[name][0]
    points = np.random.default_rng(0).uniform(shape.low - 0.1, shape.high + 0.1, (500, 2))
    level = shape.inside(points)
    assert np.array_equal(level < 0, shape.contains(points))
    assert np.array_equal(shape.inside(torch.as_tensor(points)).numpy(), level)
    # An even number of boundary crossings on the way to a point far away says the same.
    crossings = sum(_crossings(points, line) for line in shape.outline(400))
    away = np.abs(level) > 1e-3
    assert np.array_equal(crossings[away] % 2 == 1, level[away] < 0)


def _crossings(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """How often a ray to the right crosses a polyline."""
    (x0, y0), (x1, y1) = line[:-1].T, line[1:].T
    x, y = points[:, :1], points[:, 1:]
    between = (y0 <= y) != (y1 <= y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (between & (x0 + (y - y0) / (y1 - y0) * (x1 - x0) > x)).sum(axis=1)


def test_faces_have_the_names_of_the_parts() -> None:
    plate = PLATE - HOLE - OTHER
    assert [*plate.faces] == ["x-", "x+", "y-", "y+", "hole", "other"]
    assert [face.name for face in plate.resolve("x")] == ["x-", "x+"]
    assert {face.name for face in plate.resolve("boundary")} == set(plate.faces)
    same = PLATE - HOLE - Disk((1.5, 0.5), 0.2, name="hole")
    assert same.face_measure(same.faces["hole"]) == pytest.approx(0.8 * math.pi)
    named = Polygon([(0, 0), (1, 0), (0, 1)], name="hole")
    assert [*named.faces] == ["hole1", "hole2", "hole3"] and len(named.resolve("hole")) == 3
    assert len(L_SHAPE.resolve("sides")) == 6
    assert [*Annulus((0, 0), 1, 2, name="ring").faces] == ["ring_inner", "ring_outer"]
    assert [face.name for face in Annulus((0, 0), 1, 2, name="ring").resolve("ring")] == ["ring_inner", "ring_outer"]
    assert [*(UNIT & Box(x=(0, 2), y=(-2, 2))).faces] == ["rim", "x-"]


def test_sides_are_named_from_vertex_to_vertex_either_way_round() -> None:
    for vertices in ([(0, 0), (1, 0), (0, 1)], [(1, 0), (0, 0), (0, 1)]):
        (first, second) = vertices[:2]
        points, normals, _ = Polygon(vertices).face_points("side1", 8)
        assert (points[:, 1] == 0).all() and (normals == [0, -1]).all()
        assert points[:, 0].min() > min(first[0], second[0])


def test_products_add_time_and_parameters() -> None:
    solid = UNIT * Box(D=(0.1, 1)) * Box(t=(0, 2))
    assert solid.names == ("x", "y", "D", "t") and solid.time == 3 and solid.space == (0, 1, 2)
    assert [*solid.faces] == ["rim", "D-", "D+", "t-", "t+"]
    assert solid.measure == pytest.approx(1.8 * math.pi)
    factored = Box(x=(0, 2), y=(0, 1), t=(0, 1)) - HOLE * Box(t=(0, 1))
    assert isinstance(factored, Product) and factored == (PLATE - HOLE) * Box(t=(0, 1))
    assert isinstance(Box(x=(0, 1)) * Box(t=(0, 1)), Box)


def test_grid_cells_keep_the_gauss_points_inside() -> None:
    points, weights = UNIT.interior_points(40)
    assert UNIT.contains(points).all() and weights.sum() == pytest.approx(math.pi, rel=1e-3)
    borders = [np.array([-1.0, 0.2, 1.0]), np.array([-1.0, 1.0])]
    points, weights = UNIT.interior_points(borders, nodes=3)
    assert len(points) <= 2 * 9 and weights.sum() <= 4


@pytest.mark.parametrize("name", ["disk", "annulus", "L", "holes", "ball", "plate in time"])
def test_a_large_box_lies_inside(name: str) -> None:
    shape = ALL[name][0]
    low, high = shape.inner_box()
    inside = np.random.default_rng(0).uniform(low, high, (2000, shape.dimension))
    assert shape.contains(inside).all()
    assert np.prod(high - low) > 0.09 * shape.measure


def test_descents_sample_shapes_as_boxes() -> None:
    plate = PLATE - HOLE - Disk((1.5, 0.5), 0.2, name="hole")
    block = Block("walls", "condition", ("u",), plate.resolve(["hole", "y-"]), {}, lambda *_: torch.empty(0))
    for sequence in ("sobol", "halton"):
        drawn = sample(block, plate, 100, sequence, np.random.default_rng(0))
        assert drawn.index is not None and np.abs(plate.inside(drawn.points)).max() < 1e-14
        assert abs((drawn.index == 0).mean() - 0.8 * math.pi / (2 + 0.8 * math.pi)) < 0.02
        normals = outward_normals(
            plate, block.faces, torch.as_tensor(drawn.points), torch.as_tensor(drawn.index)
        ).numpy()
        centres = np.where(drawn.points[:, :1] < 1, 0.5, 1.5), np.full((len(drawn.points), 1), 0.5)
        inward = (np.concatenate(centres, axis=1) - drawn.points) / 0.2
        assert normals == pytest.approx(np.where(drawn.index[:, None] == 0, inward, [0, -1]), abs=1e-12)


def test_equality_is_that_of_the_description() -> None:
    assert Disk((0, 0), 1) == UNIT and hash(Disk((0, 0), 1)) == hash(UNIT)
    assert Ellipse((0, 0), (1, 1)) != UNIT and Disk((0, 0), 1, name="hole") != UNIT
    assert Disk((0, 0), 1, coordinates=("r", "s")) != UNIT
    assert PLATE - HOLE == Box(x=(0, 2), y=(0, 1)) - Disk((0.5, 0.5), 0.2, name="hole") != PLATE - OTHER
    assert repr((PLATE - HOLE) * Box(t=(0, 1))) == "(Box(x=(0, 2), y=(0, 1)) - Disk((0.5, 0.5), 0.2)) * Box(t=(0, 1))"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Disk((0, 0), 0), "a positive number as the radius of Disk, got 0"),
        (lambda: Disk((0, 0), float("nan")), "a positive number as the radius"),
        (lambda: Disk((0, 0, 0), 1), "2 finite numbers as the center of Disk"),
        (lambda: Disk("00", 1), "2 finite numbers as the center of Disk"),
        (lambda: Disk((0, 0), 1, coordinates=("x", "t")), r"coordinates in space, got t; multiply it by Box\(t="),
        (lambda: Disk((0, 0), 1, coordinates=("x", "x")), "2 names as coordinates"),
        (lambda: Disk((0, 0), 1, name="two words"), "a plain word"),
        (lambda: Ellipse((0, 0), (1, -1)), "positive number as a radius of Ellipse"),
        (lambda: Annulus((0, 0), 2, 1), "inner < outer, got 2 and 1"),
        (lambda: Polygon([(0, 0), (1, 1)]), "at least 3 vertices, got 2"),
        (lambda: Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "sides that do not cross, got side1"),
        (lambda: Polygon([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)]), "sides that do not cross"),
        (lambda: Polygon([(0, 0), (1, 0), (1, 0), (0, 1)]), r"the vertex \(1, 0\) twice"),
        (lambda: HOLE - UNIT, "a domain that is not empty, got Disk"),
        (lambda: UNIT - Disk((0, 0), 1), "not empty"),
        (lambda: UNIT & Disk((3, 0), 1), "not empty"),
        (lambda: Box(x=(0, 1), y=(0, 1)) - Disk((5, 5), 0.1), "to take away, got Disk.* outside of it"),
        (lambda: UNIT - Disk((0, 0), 0.5, coordinates=("r", "s")), "same coordinates for -, got x, y and r, s"),
        (lambda: UNIT * HOLE, "a product expects a Box on its right"),
        (lambda: UNIT * Box(x=(0, 1)), "different coordinates, got x in both"),
        (lambda: UNIT * Box(t=(0, 1)) - HOLE * Box(t=(0, 2)), "same interval of t"),
        (lambda: UNIT.resolve("x-"), "got 'x-'; known: boundary, rim"),
    ],
)  # fmt: skip
def test_bad_shapes_are_refused_in_one_line(make: object, said: str) -> None:
    with pytest.raises(ProblemError, match=said) as refused:
        make()  # type: ignore[operator]
    assert "\n" not in str(refused.value)


def test_shapes_do_not_combine_with_other_things() -> None:
    for operation in (lambda: UNIT | 1, lambda: UNIT & "x", lambda: UNIT - None, lambda: UNIT * 2):
        with pytest.raises(TypeError):
            operation()
    assert isinstance(UNIT, Shape)
