"""Tests of cavities of bodies, of the functions singular in them, and of the digits that these give."""

from __future__ import annotations

import numpy as np
import sympy as sp
import torch

from kanpde import KAN, Ball, Box, Dirichlet, Implicit, Problem, Shell, Solution, solve
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.singular import functions_from_json, functions_to_json
from kanpde.calculus.solid_harmonics import Centre, SolidHarmonic, harmonic_jets
from kanpde.geometry.cavities import cavities_of

CUBE = Box(x=(0, 1), y=(0, 1), z=(0, 1))
CENTRE = Centre((0.1, -0.2, 0.05), (1.0, 0.2, 0.1, 0.0, 1.3, -0.4, 0.0, 0.0, 0.7))
PLAN = JetPlan(3, [(0, 0, 1), (1, 2, 2), (0, 2)])
FUNCTIONS = [
    SolidHarmonic(CENTRE, degree, order, power, even)
    for degree, order, power in ((0, 0, 0), (0, 0, 2), (1, 0, 1), (2, 1, 0), (2, 2, 1), (5, 3, 0))
    for even in ((True, False) if order else (True,))
]


def points(count: int) -> torch.Tensor:
    return torch.rand(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.3


def test_derivatives_are_those_of_autograd():
    found = harmonic_jets(FUNCTIONS, points(3), PLAN)
    for s, partial in enumerate(PLAN.partials):
        place = points(3).requires_grad_()
        values = harmonic_jets(FUNCTIONS, place, JetPlan(3, [()]))[:, 0]
        for k in range(len(FUNCTIONS)):
            value = values[:, k]
            for axis in partial:
                value = torch.autograd.grad(value.sum(), place, create_graph=True)[0][:, axis]
            assert torch.allclose(found[:, s, k], value, rtol=1e-10, atol=1e-12)


def test_functions_are_harmonic_and_about_one_on_the_unit_sphere():
    centre = Centre((0.0, 0.0, 0.0))
    functions = [
        SolidHarmonic(centre, degree, order, 0, even)
        for degree in range(8)
        for order in range(degree + 1)
        for even in (True, False)
    ]
    place = points(200) - 0.8
    found = harmonic_jets(functions, place / place.norm(dim=1, keepdim=True), JetPlan(3, [(0, 0), (1, 1), (2, 2)]))
    xx, yy, zz = (found[:, JetPlan(3, [(0, 0), (1, 1), (2, 2)]).index[a, a]] for a in range(3))
    assert float((xx + yy + zz).abs().max()) < 1e-12 * float(xx.abs().max())
    assert float(found[:, 0].abs().max()) <= 1 + 1e-12


def test_functions_are_saved_as_json():
    assert functions_from_json(functions_to_json(FUNCTIONS)) == tuple(FUNCTIONS)


def about(domain):
    return sorted((np.round(each.at, 2).tolist(), round(each.radii[0], 2)) for each in cavities_of(domain, np.eye(3)))


def test_cavities_are_enclosed_by_the_body_or_parts_of_spheres():
    egg = Implicit(lambda x, y, z: 1 - (x**2 / 0.16 + y**2 / 0.25 + z**2 / 0.09), Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)))
    two = CUBE - Ball((0.25, 0.5, 0.5), 0.15, name="a") - Ball((0.75, 0.5, 0.5), 0.2, name="b")
    assert about(Shell((1, 0, 0), 0.5, 1)) == [([1, 0, 0], 0.5)]
    assert about(two) == [([0.25, 0.5, 0.5], 0.15), ([0.75, 0.5, 0.5], 0.2)]
    assert about(CUBE - Ball((0, 0, 0), 0.5, name="notch")) == [([0, 0, 0], 0.5)]
    assert about(Ball((0, 0, 0), 1) - Box(x=(-0.3, 0.3), y=(-0.3, 0.3), z=(-0.3, 0.3))) == [([0, 0, 0], 0.3)]
    assert about(egg) == [([0, 0, 0], 0.3)]
    assert about(Ball((0, 0, 0), 1)) == about(CUBE & Ball((0, 0, 0), 1)) == []


class Charge(Problem):
    """u_xx + u_yy + u_zz = 0 in a shell with a charge beside its centre."""

    domain = Shell((0, 0, 0), 0.5, 1)

    def residual(self, u):
        return u.xx + u.yy + u.zz

    def conditions(self):
        return {"given": Dirichlet("exact")}

    def exact(self, x, y, z):
        return 1 / sp.sqrt((x - sp.Rational(1, 50)) ** 2 + y**2 + z**2) + x * y


def test_a_charge_in_a_cavity_has_many_digits_and_an_estimate_that_is_right(tmp_path):
    solution = solve(Charge(), device="cpu", network=KAN(degree=3), training={"max_parameters": 0})
    error = solution.errors()["relative_l2"]
    assert solution.verdict == "solved" and error < 1e-7 and error / 10 < solution.error_estimate < 10 * error
    solution.save(tmp_path / "shell.kan")
    assert Solution.load(tmp_path / "shell.kan", problem=Charge())(x=0.7, y=0.1, z=0.1) == solution(x=0.7, y=0.1, z=0.1)
