"""Evaluation at a user's coordinates."""

import warnings

import numpy as np
import pytest
import torch

from kanpde import KAN, Box, Disk
from kanpde.errors import OutsideDomainWarning
from kanpde.network.evaluation import Evaluation


def evaluation(domain):
    return Evaluation("plate", domain, KAN(width=[2]).build(domain.low, domain.high, 1))


def first(points: torch.Tensor) -> torch.Tensor:
    """x, as a function of one name."""
    return points[:, :1]


def test_points_in_a_hole_warn_once():
    plate = evaluation(Box(x=(-1, 1), y=(-1, 1)) - Disk((0, 0), 0.5))
    x, y = np.array([-0.9, 0.1, 0.2]), 0.3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plate.by_name(first, {"x": -0.9, "y": y}, ("u",))
        plate.at_points(first, np.array([[0.5, 0.0]]))  # on the rim
        with pytest.raises(OutsideDomainWarning, match=r"plate is evaluated outside its domain \(2 of 3 points\)"):
            plate.by_name(first, {"x": x, "y": y}, ("u",))
        assert np.array_equal(plate.by_name(first, {"x": x, "y": y}, ("u",)), x)  # no second warning


def test_points_as_rows_warn_like_coordinates_by_name():
    with pytest.warns(OutsideDomainWarning, match=r"x by 1 of \[0, 1\]"):
        evaluation(Box(x=(0, 1), y=(0, 1))).at_points(first, np.array([[2.0, 0.5]]))


def test_several_names_give_a_dict_of_the_broadcast_shape():
    values = evaluation(Box(x=(0, 1), y=(0, 1))).by_name(
        lambda points: points, {"x": np.array([[0.1], [0.2]]), "y": np.array([0.3, 0.4, 0.5])}, ("a", "b")
    )
    assert values["a"].shape == (2, 3) and np.array_equal(values["b"], [[0.3, 0.4, 0.5]] * 2)
