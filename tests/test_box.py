"""Boxes: points, faces, normals and measures satisfy what calculus says about them; bad ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kanpde.errors import ProblemError
from kanpde.geometry.box import Box
from kanpde.geometry.domain import Face

# The same examples at every run, however slow the machine.
repeatably = settings(derandomize=True, deadline=None)

BOX = Box(x=(-1, 2), y=(0, 0.5), t=(3, 7))


def normal(box: Box, face: Face) -> np.ndarray:
    """The one normal that all points of a box's face have."""
    (found,) = box.normals(face, torch.zeros(1, box.dimension, dtype=torch.float64)).numpy()
    return found


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    names = ("x", "y", "theta", "t")[: draw(st.integers(1, 4))]
    lows = [draw(st.floats(-1e3, 1e3)) for _ in names]
    return Box(**{n: (low, low + draw(st.floats(1e-3, 1e3))) for n, low in zip(names, lows, strict=True)})


@repeatably
@given(boxes(), st.data())
def test_interior_points_lie_inside_and_corners_are_exact(box: Box, data: st.DataObject) -> None:
    unit = data.draw(arrays(np.float64, (5, box.dimension), elements=st.floats(0, 1)))
    assert box.contains(box.interior(unit)).all()
    assert np.array_equal(box.interior(np.zeros((1, box.dimension)))[0], box.low)
    assert np.array_equal(box.interior(np.ones((1, box.dimension)))[0], box.high)


@repeatably
@given(boxes(), st.data())
def test_face_points_lie_exactly_on_their_face(box: Box, data: st.DataObject) -> None:
    for face in box.faces.values():
        unit = data.draw(arrays(np.float64, (3, box.dimension - 1), elements=st.floats(0, 1)))
        points = box.on_face(face, unit)
        assert points.shape == (3, box.dimension) and box.contains(points).all()
        assert (points[:, face.axis] == (box.low if face.side < 0 else box.high)[face.axis]).all()
        outside = points + 1e-6 * (1 + np.abs(points)) * normal(box, face)
        assert not box.contains(outside).any()


@repeatably
@given(boxes())
def test_divergence_theorem(box: Box) -> None:
    """The flux of the position vector through the boundary is d times the volume."""
    centre = np.full((1, box.dimension - 1), 0.5)
    flux = sum(box.on_face(f, centre)[0] @ normal(box, f) * box.face_measure(f) for f in box.faces.values())
    # A face's flux is as large as position times area; differences of these are only so exact.
    size = sum(np.abs(box.on_face(f, centre)).max() * box.face_measure(f) for f in box.faces.values())
    assert flux == pytest.approx(box.dimension * box.measure, abs=1e-12 * size)


def test_coordinates() -> None:
    assert BOX.names == ("x", "y", "t") and BOX.dimension == 3
    assert BOX.time == 2 and BOX.space == (0, 1)
    assert BOX.axis("y") == 1
    assert Box(x=(0, sp.pi)).high[0] == np.pi
    assert Box(x=(0, 1)).time is None
    assert not BOX.low.flags.writeable


@pytest.mark.parametrize(
    ("on", "names"),
    [
        ("x-", ["x-"]),
        ("x", ["x-", "x+"]),
        ("t", ["t-", "t+"]),
        ("boundary", ["x-", "x+", "y-", "y+"]),
        (["y+", "x"], ["y+", "x-", "x+"]),
        (("x-", "x", "boundary"), ["x-", "x+", "y-", "y+"]),
    ],
)
def test_names_of_faces(on: str | list[str], names: list[str]) -> None:
    assert [face.name for face in BOX.resolve(on)] == names


@pytest.mark.parametrize("on", ["z+", "X", "", "x--", ["x", "q"], [], 3])
def test_unknown_faces_are_refused_with_the_known_ones(on: object) -> None:
    with pytest.raises(ProblemError, match="face"):
        BOX.resolve(on)  # type: ignore[arg-type]


def test_messages_name_what_is_known() -> None:
    with pytest.raises(ProblemError, match=r"'z\+'.*boundary, t, t\+, t-, x, x\+, x-, y, y\+, y-"):
        BOX.resolve("z+")
    with pytest.raises(ProblemError, match="'z'.*t, x, y"):
        BOX.axis("z")


def test_time_alone_has_no_boundary_in_space() -> None:
    clock = Box(t=(0, 1))
    with pytest.raises(ProblemError, match="no boundary in space"):
        clock.resolve("boundary")
    face = clock.faces["t-"]
    assert clock.on_face(face, np.empty((1, 0))).tolist() == [[0.0]]
    assert clock.face_measure(face) == 1


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({}, "1 to 20"),
        (dict.fromkeys("abcefghijklmnopqrsuvw", (0, 1)), "1 to 20"),
        ({"d": (0, 1)}, "'d'"),
        ({"_x": (0, 1)}, "_x"),
        ({"x": (1, 0)}, "low < high"),
        ({"x": (1, 1)}, "low < high"),
        ({"x": (0, float("nan"))}, "finite"),
        ({"x": (0, sp.oo)}, "finite"),
        ({"x": (0, sp.Symbol("L"))}, "finite"),
        ({"x": ("0", "1")}, "finite"),
        ({"x": (False, True)}, "finite"),
        ({"x": 1}, "two bounds"),
        ({"x": (0, 1, 2)}, "two bounds"),
    ],
)
def test_bad_bounds_are_refused(bounds: dict[str, object], said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        Box(**bounds)


def test_equality_hash_product_and_repr() -> None:
    assert Box(x=(0, 1)) * Box(t=(0, 2)) == Box(x=(0, 1), t=(0, 2))
    assert Box(x=(0, 1), y=(0, 1)) != Box(y=(0, 1), x=(0, 1))
    assert len({Box(x=(0, 1)), Box(x=(0.0, 1.0))}) == 1
    assert repr(Box(x=(0, 1), t=(0, 0.5))) == "Box(x=(0, 1), t=(0, 0.5))"
    with pytest.raises(ProblemError, match="different coordinates"):
        Box(x=(0, 1)) * Box(x=(0, 2))


def test_a_name_of_a_box_is_that_of_all_its_faces_in_a_hole():
    plate = Box(x=(0, 2), y=(0, 1)) - Box(x=(0.5, 1), y=(0.25, 0.75), name="hole")
    assert set(plate.faces) == {"x-", "x+", "y-", "y+", "hole"}
    assert plate.face_measure(plate.faces["hole"]) == pytest.approx(2.0)
