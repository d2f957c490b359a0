"""A shipped problem with a reference: its local interpolants satisfy the equation and every condition."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev

from kanpde import load_problem
from kanpde.files import shipped
from kanpde.problem import exact

NAMES = sorted(file.stem for file in shipped("problems").glob("*.py") if not file.stem.startswith("_"))
# See test_references.py and test_corners.py: too rough for the interpolants, or of too high an order.
SET_APART = {"allen_cahn", "burgers", "kdv", "l_drum", "lid_driven_cavity", "motz"}
WIDER = {"boundary_layer": {"epsilon": 0.05}}  # so that an interpolant resolves it
PROBLEMS = {name: load_problem(name, **WIDER.get(name, {})) for name in NAMES if name not in SET_APART}
REFERENCED = [name for name, problem in PROBLEMS.items() if not hasattr(problem, "exact")]
DEGREE, REACH = 8, 0.01  # of the interpolants, and half their width as a share of the domain's
TOLERANCE = 1e-5  # of a residual, relative to its terms: third derivatives of an interpolant lose ten digits
ROUND_OFF = 1e-9  # of a residual whose terms vanish, relative to the solution


def interpolated(problem, partial=()):
    """Return a partial of every field's reference as a function of points, by Chebyshev interpolation around each."""
    domain = problem.domain
    reach = REACH * (domain.high - domain.low)
    nodes = chebyshev.chebpts1(DEGREE + 1)
    grid = np.array(list(product(nodes, repeat=domain.dimension)))
    inverse = np.linalg.inv(chebyshev.chebvander(nodes, DEGREE))
    orders = np.bincount(np.array(partial, dtype=int), minlength=domain.dimension)

    def every_field(points):
        centres = np.clip(points, domain.low + reach, domain.high - reach)
        around = (centres[:, None] + reach * grid).reshape(-1, domain.dimension)
        values = problem.reference_values(around).reshape(len(points), *[DEGREE + 1] * domain.dimension, -1)
        return np.array([at(*pair) for pair in zip((points - centres) / reach, values, strict=True)])

    def at(place, values):
        for x, order, scale in zip(place, orders, reach, strict=True):
            coefficients = np.tensordot(inverse, values, axes=(1, 0))
            values = chebyshev.chebval(x, chebyshev.chebder(coefficients, order)) / scale**order
        return values

    def field(index):
        return lambda points: torch.from_numpy(every_field(points.numpy())[:, index])

    return [field(index) for index in range(len(problem.fields))]


def test_there_are_some():
    assert len(REFERENCED) >= 8


@pytest.mark.parametrize("name", REFERENCED)
def test_the_reference_satisfies_the_equation_and_every_condition(name, monkeypatch):
    monkeypatch.setattr(exact, "point_functions", interpolated)
    monkeypatch.setattr(exact, "_RESIDUAL_TOLERANCE", TOLERANCE)
    monkeypatch.setattr(exact, "_ROUND_OFF_TOLERANCE", ROUND_OFF)
    problem = PROBLEMS[name]
    assert exact.check_exact(problem, problem.blocks(hard=True), 4) == []
