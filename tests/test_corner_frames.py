"""Corners with exact angles: sides that pass through them exactly, and powers whose phases are exact there."""

from __future__ import annotations

import math

import mpmath
import pytest

from kanpde import Annulus, Box, Disk, Polygon
from kanpde.calculus.corner_functions import Corner, CornerFunction
from kanpde.calculus.taylor_models import NotEnclosed
from kanpde.geometry.corners import corners_of
from kanpde.marching.audit.corner_frames import frame_of, hole_of

SECTOR = Disk((0, 0), 1) - Box(x=(0, 2), y=(-2, 0))


def test_angles_are_those_between_the_exact_sides() -> None:
    shape = Polygon([(0, 0), (0.3, 0.1), (0.1, 0.7)])
    (corner,) = (m.corner for m in corners_of(shape) if m.corner.at == (0, 0))
    frame = frame_of(corner, shape)
    with mpmath.workdps(40):
        first = mpmath.atan2(mpmath.mpf(0.1), mpmath.mpf(0.3))
        exact = mpmath.atan2(mpmath.mpf(0.7), mpmath.mpf(0.1)) - first
        assert abs(frame.opening - exact) <= 2e-16 * exact
        assert abs(frame.first - first) <= 2e-16 * first
    assert not frame.is_square
    assert frame.quarters(CornerFunction(corner, 3 * math.pi / corner.opening)) == 6
    assert frame.quarters(CornerFunction(corner, 1.0)) is None


def test_an_arc_has_an_exact_direction_at_its_end() -> None:
    frames = [frame_of(meeting.corner, SECTOR) for meeting in corners_of(SECTOR)]
    assert len(frames) == 3 and all(frame.is_square for frame in frames)


def test_corners_that_are_rounded_and_points_outside_holes_are_refused() -> None:
    lens = Disk((0, 0), 1) - Box(x=(0, 2), y=(-2, 0.1))
    with pytest.raises(NotEnclosed, match="do not meet exactly"):
        [frame_of(meeting.corner, lens) for meeting in corners_of(lens)]
    ring = Annulus((0, 0), 0.5, 1)
    for at in ((0.7, 0.0), (0.5, 0.0)):
        with pytest.raises(NotEnclosed, match="not known to lie in the hole"):
            hole_of(Corner(at, 0.0, 2 * math.pi), ring)
    assert hole_of(Corner((0.1, 0.0), 0.0, 2 * math.pi), ring).rays == ()
