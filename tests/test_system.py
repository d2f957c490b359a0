"""The rows of a march: their local Jacobian is their derivative."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import sympy as sp
import torch
from local_rows import F64, uniform

import kanpde.marching.system
from kanpde import Box, Data, Dirichlet, Initial, Neumann, Periodic, Problem
from kanpde.calculus.jets import JetPlan
from kanpde.marching import linearisation
from kanpde.marching.axes import LegendreAxis, SplineAxis
from kanpde.marching.linearisation import FullSlopes, SparseSlopes
from kanpde.marching.piece import Image
from kanpde.marching.system import System
from kanpde.marching.tensor_product import TensorProduct
from kanpde.problem.lift import Ansatz


@dataclasses.dataclass(frozen=True)
class Decay(Problem):
    """A system of two fields with an unknown constant, nonlinear, and every kind of row."""

    domain = Box(x=(0, 1), t=(0, 1))
    fields = ("u", "v")
    unknowns = {"rate": 0.7}

    def residual(self, u, v, x, t, rate):
        return {"first": u.t - u.xx + rate * v * u, "second": v.t + u.x * v}

    def conditions(self):
        points = np.array([[0.2, 0.1], [0.3, 0.9], [0.8, 0.5]])
        return {
            "start": Initial(sp.Symbol("x"), field="u"),
            "left": Neumann(1, on="x-", field="v"),
            "circle": Periodic("x", field="u"),
            "seen": Data(points, np.array([0.1, 0.2, 0.3]), field="v"),
        }


@dataclasses.dataclass(frozen=True)
class Box3(Problem):
    """Three coordinates, mixed partials, and conditions by construction."""

    domain = Box(x=(0, 1), y=(-1, 1), t=(0, 1))

    def residual(self, u, x):
        return u.t - u.xx - x * u.xy + u**2

    def conditions(self):
        return {"start": Initial(0), "left": Dirichlet(1, on="x-", hard=True), "circle": Periodic("y")}


SYSTEMS = {
    "constants": (Decay(), [uniform(0, 1, 3, 4), uniform(0, 1, 2, 3)]),
    "slab": (Decay(), [uniform(0, 1, 9, 3), LegendreAxis(np.array([0.0, 1.0]), 3)]),
    "hard": (Box3(), [uniform(0, 1, 3, 3), uniform(-1, 1, 5, 3), LegendreAxis(np.array([0.0, 1.0]), 2)]),
    "circle": (Box3(), [uniform(0, 1, 1, 3), uniform(-1, 1, 9, 3, True), LegendreAxis(np.array([0.0, 1.0]), 1)]),
}


@pytest.mark.parametrize("small", [True, False, None], ids=["whole matrices", "sums along axes", "dense sums"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_local_jacobian_is_the_derivative_of_the_rows(name, small, monkeypatch):
    problem, axes = SYSTEMS[name]
    if not small:
        monkeypatch.setattr(linearisation, "SMALL", 0)
        monkeypatch.setattr(linearisation, "FEW", 0)
        monkeypatch.setattr(kanpde.marching.numbering, "FEW", 0 if small is False else 300)
        monkeypatch.setattr(kanpde.marching.system, "LARGEST_WHOLE", 0)
    system = System(
        TensorProduct(axes),
        problem.domain,
        problem.blocks(),
        problem.fields,
        ansatz=Ansatz.of(problem),
        unknowns=tuple(problem.unknowns),
    )
    vector = torch.as_tensor(np.random.default_rng(0).normal(size=system.size))
    system.rescale(vector)
    linear = system.linearise(vector)
    assert torch.allclose(linear.residual, system.residual(vector), atol=1e-14)
    step = torch.as_tensor(np.random.default_rng(1).normal(size=system.size))
    h = 1e-6
    numeric = (system.residual(vector + h * step) - system.residual(vector - h * step)) / (2 * h)
    assert torch.allclose(linear.product(step), numeric, rtol=1e-6, atol=1e-6)
    weights = torch.as_tensor(np.random.default_rng(2).normal(size=len(numeric)))
    assert abs(float(weights @ linear.product(step) - step @ linear.transposed(weights))) < 1e-9
    dense = torch.stack([linear.product(unit) for unit in torch.eye(system.size, dtype=F64)], dim=1)
    storage = linear.storage
    order = torch.argsort(storage.numbering)
    expected = (dense.T @ dense)[order][:, order].tril()
    if storage.bandwidth is None:
        found = linear.gram.tril()
    else:
        found = torch.zeros_like(expected)
        for below, diagonal in enumerate(linear.gram):
            found += torch.diag(diagonal[: system.size - below], -below)
    assert torch.allclose(found, expected, atol=1e-11 * float(expected.abs().max()))


@pytest.mark.parametrize("shapes", [((5, 10),), ((5, 4), (5, 6)), ()], ids=["grid", "grids", "points"])
def test_products_without_the_terms_that_are_zero_are_the_same(shapes):
    generator = torch.Generator().manual_seed(0)
    slopes = torch.randn(2, 50, 3, 2, generator=generator, dtype=F64)
    slopes[0, :, 1], slopes[1, :, :, 0] = 0.0, 0.0
    space = TensorProduct([SplineAxis(np.linspace(0, 1, n + 1), 3) for n in (4, 6)])
    first, second = torch.linspace(0, 1, 5, dtype=F64), torch.linspace(0, 1, 10, dtype=F64)
    parts = [second[:4], second[4:]] if len(shapes) == 2 else [second]
    points = torch.cat([torch.cartesian_prod(first, part) for part in parts])
    image = Image.of(points, space, JetPlan(2, [(0,), (1,)]), None, shapes)
    coefficients = torch.randn(space.size, 2, generator=generator, dtype=F64)
    rows = torch.randn(2, 50, generator=generator, dtype=F64)
    sparse, full = SparseSlopes.of(slopes), FullSlopes(slopes)
    assert len(sparse.terms) == 7
    assert torch.allclose(
        sparse.product(image, coefficients), full.product(image, coefficients), rtol=1e-12, atol=1e-12
    )
    assert torch.allclose(sparse.transposed(image, rows), full.transposed(image, rows), rtol=1e-12, atol=1e-12)
