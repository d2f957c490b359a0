"""Tests of the principal part of equations and systems, and of the functions about holes that follow from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kanpde import KAN, Annulus, Box, Dirichlet, Disk, Ellipse, Problem, load_problem, solve
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.singular import jets_of
from kanpde.geometry.holes import notches_of
from kanpde.marching.principal import directions_of, quadratic, roots_of
from kanpde.marching.singular_functions import singular_functions
from kanpde.marching.terms import Terms, terms_of


def stated(residual: Any, count: int = 1, domain: Any = None) -> Problem:
    """Return a problem of an equation for u, (u, v) or (u, v, w)."""
    fields = ("u", "v", "w")[:count]
    given = {name: Dirichlet(0, field=name) for name in fields}
    parts = {"domain": domain or Annulus((0, 0), 0.5, 1), "fields": fields, "conditions": lambda self: given}
    return type("Stated", (Problem,), {**parts, "residual": staticmethod(residual)})()


def laplace(u):
    return u.xx + u.yy


def elastic(u, v):
    return {"a": 3 * u.xx + u.yy + 2 * v.xy, "b": v.xx + 3 * v.yy + 2 * u.xy}


def stokes(u, v, w):
    return {"a": w.x - laplace(u), "b": w.y - laplace(v), "c": u.x + v.y}


def plate(u):
    return u.xxxx + 2 * u.xxyy + u.yyyy


def grain(u, v):
    return {"a": laplace(u) + v.x, "b": v.xx + 4 * v.yy}


SYSTEMS = [(laplace, 1, [(1j, 1)]), (elastic, 2, [(1j, 2)]), (stokes, 3, [(1j, 2)]), (plate, 1, [(1j, 2)])]


@pytest.mark.parametrize(("residual", "count", "wanted"), [*SYSTEMS, (grain, 2, [(0.5j, 1), (1j, 1)])])
def test_roots_are_those_of_the_determinant(residual, count, wanted):
    problem = stated(residual, count)
    terms, principal = terms_of(problem, problem.blocks()[0])
    roots = sorted(roots_of(principal), key=lambda root: root[0].imag)
    assert [number for _, number in roots] == [number for _, number in wanted]
    assert [root for root, _ in roots] == pytest.approx([root for root, _ in wanted], abs=1e-12)
    assert terms is Terms.NONE


@pytest.mark.parametrize(
    ("residual", "count"), [(lambda u: u.xx - u.yy, 1), (lambda u, x: u.xx + x * u.yy, 1), (lambda u: u.x + u.yy, 1)]
)
def test_other_principal_parts_have_no_functions(residual, count):
    assert singular_functions(stated(residual, count)) == ()


def test_a_determinant_in_space_is_a_power_of_a_form():
    box = Box(x=(0, 1), y=(0, 1), z=(0, 1)) - Disk((0.5, 0.5), 0.2) * Box(z=(0, 1))

    def residual(u, v):
        return {"a": u.xx + 4 * u.yy + u.zz + u.xz, "b": v.xx + 4 * v.yy + v.zz + v.xz + u.x}

    problem = stated(residual, 2, box)
    matrix, count = quadratic(terms_of(problem, problem.blocks()[0])[1], directions_of(3))
    assert count == 2
    assert matrix == pytest.approx(np.array([[1, 0, 0.5], [0, 4, 0], [0.5, 0, 1]]), abs=1e-9)


@pytest.mark.parametrize(("residual", "count", "wanted"), SYSTEMS)
def test_functions_about_a_hole_solve_the_determinant_s_equation(residual, count, wanted):
    points = torch.rand(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.4
    functions = singular_functions(stated(residual, count))
    plan = JetPlan(2, [(0, 0, 0, 0), (0, 0, 1, 1), (1, 1, 1, 1)])
    found = jets_of(functions, points, plan)
    xx, yy, xxxx, xxyy, yyyy = (
        found[:, plan.index[p]] for p in ((0, 0), (1, 1), (0, 0, 0, 0), (0, 0, 1, 1), (1, 1, 1, 1))
    )
    left, size = (xx + yy, xx) if wanted[0][1] == 1 else (xxxx + 2 * xxyy + yyyy, xxxx)
    assert float(left.abs().max()) < 1e-11 * float(size.abs().max()) and len(functions) > 20


def test_a_round_notch_is_a_part_of_a_hole():
    (notch,) = notches_of(Box(x=(0, 3), y=(0, 2)) - Disk((0, 0), 1))
    assert notch.at == (0, 0) and notch.radii == pytest.approx((1, 1)) and notch.slit is None
    (long,) = notches_of(Box(x=(0, 3), y=(0, 2)) - Ellipse((0, 0), (1, 0.5)))
    assert long.slit[2] == pytest.approx(np.sqrt(0.75), rel=1e-3)
    plate = Box(x=(0, 3), y=(0, 2))
    assert notches_of(plate - Disk((1, 1), 0.5)) == notches_of(plate & Disk((0, 0), 2)) == []


def test_a_quarter_of_a_plate_has_many_digits():
    solution = solve(load_problem("kirsch"), device="cpu", network=KAN(degree=5), training={"max_parameters": 0})
    error = solution.errors()["relative_l2"]
    assert solution.verdict == "solved" and error < 1e-10 and error / 10 < solution.error_estimate < 100 * error
