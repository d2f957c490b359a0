"""Implicit shapes: known areas and volumes, the divergence theorem where lines are cut, faces of the box."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kanpde import Box, Disk, Implicit
from kanpde.errors import ProblemError

PLANE = Box(x=(-2, 2), y=(-2, 2))
CUBE = Box(x=(-2, 2), y=(-2, 2), z=(-2, 2))


def superellipse(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x**4 + y**4 - 1


def flower(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x**2 + y**2).sqrt() - 1 - 0.3 * torch.cos(5 * torch.atan2(y, x))


def two_disks(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.minimum((x - 1) ** 2 + y**2, (x + 1) ** 2 + y**2) - 0.25


def ball(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return x**2 + y**2 + z**2 - 1


# shape, its measure
SHAPES = {
    "superellipse": (Implicit(superellipse, PLANE), 3.7081493546027438),
    "flower": (Implicit(flower, PLANE), 1.045 * math.pi),
    "two disks": (Implicit(two_disks, PLANE), math.pi / 2),
    "below a wave": (Implicit(lambda x, y: y - torch.sin(3 * x), PLANE), 8.0),
    "triangle": (Implicit(lambda x, y: x + y - 1, Box(x=(0, 1), y=(0, 1))), 0.5),
    "ball": (Implicit(ball, CUBE), 4 / 3 * math.pi),
    "half ball": (Implicit(ball, Box(x=(0, 2), y=(-2, 2), z=(-2, 2))), 2 / 3 * math.pi),
}


@pytest.mark.parametrize("name", SHAPES)
def test_measures(name: str) -> None:
    shape, measure = SHAPES[name]
    assert shape.measure == pytest.approx(measure, rel=1e-12 if shape.dimension == 2 else 1e-10)


@pytest.mark.parametrize("name", SHAPES)
def test_points_and_normals_of_the_boundary(name: str) -> None:
    shape = SHAPES[name][0]
    for face in shape.faces.values():
        for points, normals, _ in (shape.face_points(face.name, 400), shape.sample_face(face.name, 64)):
            assert shape.contains(points).all()
            assert shape.contains(points - 1e-6 * normals).all() and not shape.contains(points + 1e-6 * normals).any()
    assert shape.contains(shape.sample_interior(200)).all()


def test_divergence_theorem_where_lines_are_cut() -> None:
    quartic = Implicit(superellipse, PLANE)
    named = Implicit(superellipse, PLANE, name="hole")
    for shape in (quartic - Disk((1, 0), 0.5, name="bite"), quartic | Disk((1, 0), 0.5), Disk((0, 0), 1.05) - named):
        inside, weights = shape.quadrature(20000)
        points, normals, lengths = shape.face_points("boundary", 4000)
        flux = lengths @ (np.exp(points) * normals)[:, 0]
        # The superellipse touches its vertical tangents to the fourth order, which costs some digits inside.
        assert flux == pytest.approx(weights @ np.exp(inside)[:, 0], rel=1e-6)
        assert lengths @ (points * normals).sum(axis=1) == pytest.approx(2 * shape.measure, rel=1e-12)


def test_faces_of_the_box_that_the_shape_reaches() -> None:
    assert [*SHAPES["superellipse"][0].faces] == ["rim"]
    triangle = SHAPES["triangle"][0]
    assert [*triangle.faces] == ["rim", "x-", "y-"] and [face.name for face in triangle.resolve("x")] == ["x-"]
    assert triangle.face_measure(triangle.faces["rim"]) == pytest.approx(math.sqrt(2), rel=1e-12)
    assert [*SHAPES["half ball"][0].faces] == ["rim", "x-"]
    assert SHAPES["superellipse"][0].low == pytest.approx([-1, -1], abs=1e-12)
    assert [*Implicit(superellipse, PLANE, name="hole").faces] == ["hole"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Implicit(lambda x, y: x**2 + 1, PLANE), "a function with both signs in"),
        (lambda: Implicit(lambda x, q: x, PLANE), "unknown argument 'q'; known: x, y"),
        (lambda: Implicit(lambda x, y: 1.0, PLANE), r"a tensor of shape \(n,\).*got float"),
        (lambda: Implicit(lambda x, y: x.sum(), PLANE), r"a tensor of shape \(n,\)"),
        (lambda: Implicit(lambda x, y: x.nothing, PLANE), "AttributeError"),
        (lambda: Implicit(3, PLANE), "a torch function of x, y, got 3"),
        (lambda: Implicit(lambda x, t: x, Box(x=(0, 1), t=(0, 1))), "multiply by Box"),
    ],
)
def test_bad_functions_are_refused_in_one_line(make: object, said: str) -> None:
    with pytest.raises(ProblemError, match=said) as refused:
        make()  # type: ignore[operator]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("radius", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("island", [False, True])
def test_holes_and_islands_between_the_nodes_of_the_grid_are_found(radius: float, island: bool) -> None:
    def level(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        near = ((x - 0.31) ** 2 + (y - 0.23) ** 2).sqrt() - radius
        return torch.minimum((x + 1.1) ** 2 + y**2 - 0.5, near) if island else torch.maximum(x**2 + y**2 - 1, -near)

    pieces = Implicit(level, PLANE).pieces["rim"]
    smallest = min(pieces, key=lambda piece: float((piece.extent[1] - piece.extent[0]).max()))
    assert len(pieces) == 2
    assert np.allclose(smallest.extent, [[0.31 - radius, 0.23 - radius], [0.31 + radius, 0.23 + radius]], atol=1e-9)


def test_a_saddle_that_does_not_reach_zero_is_no_hole() -> None:
    assert len(Implicit(lambda x, y: (x**2 + y**2) ** 2 - 2 * (x**2 - y**2) - 1e-3, PLANE).pieces["rim"]) == 1
