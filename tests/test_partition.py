"""Domains split into parts: cells, contacts, and parts that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kanpde import Annulus, Box, Disk
from kanpde.errors import ProblemError
from kanpde.geometry.frame import PolarFrame
from kanpde.geometry.partition import Partition

SQUARE = Box(x=(0, 1), y=(0, 1))


def located(partition, *points):
    numbers = partition.part_of(torch.tensor(points, dtype=torch.float64))
    return [partition.parts[number] for number in numbers]


def test_an_interval_in_a_line_leaves_two_cells_of_the_rest():
    partition = Partition(Box(x=(0, 1), t=(0, 2)), {"core": Box(x=(0.3, 0.6))})
    assert [cell.part for cell in partition.cells] == ["rest", "core", "rest"]
    assert [(c.inner, c.outer, c.plane) for c in partition.contacts] == [(0, 1, (0, 0.3)), (1, 2, (0, 0.6))]
    assert located(partition, (0.1, 0.0), (0.5, 1.0), (0.9, 2.0)) == ["rest", "core", "rest"]


def test_layers_need_no_rest_and_span_the_other_coordinates():
    partition = Partition(SQUARE, {"left": Box(x=(0, 0.5)), "right": Box(x=(0.5, 1))})
    assert partition.parts == ("left", "right") and partition.aligned
    assert set(partition.cells[0].outer) == {"x-", "y-", "y+"}


def test_a_box_in_a_box_has_smooth_contacts_only_within_the_rest():
    partition = Partition(SQUARE, {"core": Box(x=(0.3, 0.6), y=(0.2, 0.7), name="seam")})
    real = [contact for contact in partition.contacts if not contact.smooth]
    assert len(partition.cells) == 9 and len(partition.contacts) == 12 and len(real) == 4
    assert all({"core", "seam"} <= contact.names | contact.names_outer for contact in real)


def test_a_plane_cuts_a_box_and_is_no_smooth_contact():
    partition = Partition(SQUARE, {}, [(0, 0.25)])
    assert [contact.smooth for contact in partition.contacts] == [False]


def test_the_ring_around_a_disk_is_two_halves_that_meet_the_whole_rim():
    partition = Partition(SQUARE, {"core": Disk((0.5, 0.5), 0.2, name="seam")})
    core, *halves = partition.cells
    assert all(isinstance(cell.frame, PolarFrame) for cell in halves) and set(halves[0].outer) == {"x-", "x+", "y-"}
    rims = [contact for contact in partition.contacts if "seam" in contact.names]
    length = sum(piece.measure for contact in rims for pieces in contact.place.pieces.values() for piece in pieces)
    assert length == pytest.approx(0.4 * np.pi) and {contact.outer for contact in rims} == {1, 2}


def test_nested_parts_touch_each_other():
    partition = Partition(Disk((0, 0), 1), {"a": Disk((0, 0), 0.3), "b": Annulus((0, 0), 0.3, 0.6)})
    assert located(partition, (0.1, 0.0), (0.0, 0.4), (0.0, -0.8)) == ["a", "b", "rest"]
    pairs = {(partition.cells[c.inner].part, partition.cells[c.outer].part) for c in partition.contacts if not c.smooth}
    assert pairs == {("a", "b"), ("b", "rest")}


def test_points_on_a_seam_are_not_apart():
    partition = Partition(Box(x=(0, 1)), {"core": Box(x=(0, 0.5))})
    assert partition.apart(np.array([[0.0], [0.5], [0.6], [1.0]])).tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (Disk((2, 2), 0.2), "outside"),
        (Disk((0.9, 0.5), 0.2), "partly outside"),
        (Box(x=(0.5, 1.5)), "partly outside"),
        (Disk((0, 0), 0.2, coordinates=("r", "s")), "coordinates x, y"),
        (Box(x=(0, 0.5), t=(0, 1)), "leave t out"),
        (3, "a shape such as"),
    ],
)
def test_parts_that_do_not_fit_are_refused(part, word):
    with pytest.raises(ProblemError, match=word):
        Partition(SQUARE, {"core": part})


def test_overlapping_parts_are_refused():
    with pytest.raises(ProblemError, match="do not overlap"):
        Partition(SQUARE, {"a": Disk((0.5, 0.5), 0.3), "b": Disk((0.6, 0.5), 0.3)})
