"""Rows with constant coefficients: Kronecker products give the same as the rows of any coefficients."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from kanpde import Box, Dirichlet, Initial, Neumann, Periodic, Problem, Robin
from kanpde.collocation.affine import trial_points
from kanpde.collocation.rows import Placed
from kanpde.marching import system as systems
from kanpde.marching.axes import LegendreAxis, SplineAxis
from kanpde.marching.constant_rows import roots_of_products
from kanpde.marching.system import System
from kanpde.marching.tensor_product import TensorProduct


@dataclass(frozen=True)
class Coupled(Problem):
    """Two fields with every kind of condition on a box's faces, one of them of a user's function."""

    steepness: float = 0.0  # of a coefficient, which is constant only if it is zero

    domain = Box(x=(0, 2), y=(-1, 1), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v, x, y, t):
        rate = 1 + self.steepness * x
        return rate * u.t - u.xx - u.yy + 2 * v.x - torch.sin(x), v.t - v.xx + 3 * u.xy - v

    def conditions(self):
        return {
            "start": Initial(lambda x, y: torch.cos(x) * y, field="u"),
            "rest": Initial(0, field="v"),
            "left": Robin(2, 3, 1, on="x-", field="u"),
            "right": Dirichlet(1, on="x+", field="u"),
            "flux": Neumann(0.5, on="x", field="v"),
            "around": Periodic("y"),
        }


AXES = [
    SplineAxis(np.array([0.0, 0.7, 1.1, 2.0]), 4),
    SplineAxis(np.linspace(-1, 1, 3), 3),
    LegendreAxis(np.array([0.0, 1.0]), 3),
]


def linearised(problem):
    system = System(TensorProduct(AXES), problem.domain, problem.blocks(), problem.fields, linear=True)
    vector = torch.as_tensor(np.random.default_rng(0).normal(size=system.size))
    system.rescale(vector)
    return system, system.linearise(vector)


@pytest.mark.parametrize("steepness", [0.0, 0.5])
def test_products_with_constant_coefficients_are_those_of_any_rows(steepness, monkeypatch):
    system, fast = linearised(Coupled(steepness))
    assert (system._constant_slopes is not None) == (steepness == 0)
    monkeypatch.setattr(systems, "LARGEST_WHOLE", 0)
    _, slow = linearised(Coupled(steepness))
    random = np.random.default_rng(1)
    step = torch.as_tensor(random.normal(size=system.size))
    weights = torch.as_tensor(random.normal(size=len(fast.residual)))
    assert torch.allclose(fast.residual, slow.residual, rtol=1e-13, atol=1e-13)
    assert torch.allclose(fast.product(step), slow.product(step), rtol=1e-12, atol=1e-12)
    assert torch.allclose(fast.transposed(weights), slow.transposed(weights), rtol=1e-12, atol=1e-12)
    matrix = slow.matrix[:, torch.argsort(slow.storage.numbering)]
    size = float(matrix.square().sum(dim=0).max())
    assert torch.allclose(fast.gram.tril(), (matrix.T @ matrix).tril(), rtol=0, atol=1e-14 * size)


def test_a_linear_system_has_its_slopes_at_any_vector():
    system, _ = linearised(Coupled())
    vector = torch.as_tensor(np.random.default_rng(2).normal(size=system.size))
    rows, linear = system.residual(vector), system.linearise(vector)
    step = torch.as_tensor(np.random.default_rng(3).normal(size=system.size))
    assert torch.equal(linear.residual, rows)
    assert torch.allclose(system.residual(vector + step), rows + linear.product(step), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["start", "rest", "left", "right", "flux", "around"])
def test_the_slopes_of_conditions_are_those_of_autograd(name):
    problem = Coupled()
    (block,) = (each for each in problem.blocks(hard=True) if each.name == name)
    random = np.random.default_rng(0)
    points, index = trial_points(block, problem, random)
    placed = Placed.at(block, problem.domain.names, points, index)
    jets = [torch.as_tensor(random.normal(size=(len(points), len(placed.plan), 2))) for _ in placed.images]
    unknowns = {"k": torch.tensor(2.0, dtype=torch.float64)}
    factors = torch.as_tensor(random.random((len(block.components), len(points))))
    by_form = placed.slopes(jets, unknowns, factors)
    by_autograd = replace(placed, block=replace(block, left=None)).slopes(jets, unknowns, factors)
    assert block.affine == (name != "start")
    assert torch.equal(by_form[0], by_autograd[0])
    for one, other in zip(by_form[1], by_autograd[1], strict=True):
        assert all(torch.allclose(a, b, rtol=1e-15) for a, b in zip(one.by_jets, other.by_jets, strict=True))
        assert torch.equal(one.by_unknowns, other.by_unknowns)


def test_weights_that_are_no_products_are_refused():
    one, other = np.array([0.1, 0.5, 0.2]), np.array([3.0, 1.0])
    roots = roots_of_products(np.outer(one, other))
    assert roots is not None
    assert np.allclose(np.outer(*(root.ravel() ** 2 for root in roots)), np.outer(one, other), rtol=1e-14)
    assert roots_of_products(np.outer(one, other) + np.eye(3, 2)) is None
