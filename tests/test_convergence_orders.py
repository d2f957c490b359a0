"""The march's discretisation converges at the orders of the theory, seen as slopes of log(error) over log(h).

The squares of the residual at Gauss points are its L2 norm, so with conditions by construction the method is Galerkin's
for (L u, L v) = (f, L v). With splines of degree k and L of second order the residual has the order k − 1, that of the
best spline in H2, and by duality (Aubin and Nitsche) the error in L2 has k − 1 + min(k − 1, 2), which is k + 1 from
k = 3 on (Bramble and Schatz, Commun. Pure Appl. Math. 23 (1970) 653).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Initial, Problem
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.affine import is_affine
from kanpde.marching.axes import Axis, LegendreAxis, SplineAxis, gauss_weights
from kanpde.marching.slab_system import initial_iterate, measure_slab, slab_system
from kanpde.marching.state import Attempt, MarchState
from kanpde.marching.system import System
from kanpde.marching.task import MarchTask
from kanpde.marching.tensor_product import TensorProduct
from kanpde.marching.tolerances import MarchTolerances
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton
from kanpde.problem.lift import Ansatz

F64 = torch.float64


class Line(Problem):
    """u'' = f between two given values."""

    domain = Box(x=(-1, 1))

    def residual(self, u, x):
        return u.xx - torch.exp(x) * (2 * torch.cos(3 * x) * 3 - 8 * torch.sin(3 * x))

    def conditions(self):
        return {"ends": Dirichlet("exact", hard=True)}

    def exact(self, x):
        return sp.exp(x) * sp.sin(3 * x)


class Square(Problem):
    """Poisson's equation with the same in one direction of a square, and waves in the other."""

    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        return u.xx + u.yy - torch.exp(x) * (6 * torch.cos(3 * x + 2 * y) - 12 * torch.sin(3 * x + 2 * y))

    def conditions(self):
        return {"rim": Dirichlet("exact", hard=True)}

    def exact(self, x, y):
        return sp.exp(x) * sp.sin(3 * x + 2 * y)


class Heat(Problem):
    """u_t = u_xx/10 from a sine, with zero at both ends."""

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u):
        return u.t - u.xx / 10

    def conditions(self):
        return {"start": Initial("exact", hard=True), "ends": Dirichlet(0, hard=True)}

    def exact(self, x, t):
        return sp.exp(-sp.Rational(2, 5) * sp.pi**2 * t) * sp.sin(2 * sp.pi * x)


class Logistic(Problem):
    """u' = 4 u (1 − u): nonlinear, its initial value passed on from slab to slab."""

    domain = Box(t=(0, 1))

    def residual(self, u):
        return u.t - 4 * u * (1 - u)

    def conditions(self):
        return {"start": Initial(sp.Rational(1, 5))}

    def exact(self, t):
        return 1 / (1 + 4 * sp.exp(-4 * t))


class Witch(Problem):
    """Agnesi's curve 1/(1 + x²), analytic but for poles at ±i, as the solution of u'' = f."""

    domain = Box(x=(-1, 1))

    def residual(self, u, x):
        return u.xx - (6 * x**2 - 2) / (1 + x**2) ** 3

    def conditions(self):
        return {"ends": Dirichlet(sp.Rational(1, 2), hard=True)}

    def exact(self, x):
        return 1 / (1 + x**2)


def l2_error(problem, space: TensorProduct, coefficients, ansatz=None) -> float:
    """The root mean square of the error at Gauss points of finer axes, which do not see where the rows were zero."""
    axes = [dataclasses.replace(axis, degree=axis.degree + 4) for axis in space.axes]
    points = np.stack([x.ravel() for x in np.meshgrid(*(axis.points for axis in axes), indexing="ij")], axis=-1)
    weights = np.ones(1)
    for axis in axes:
        weights = np.multiply.outer(weights, gauss_weights(axis)).ravel()
    plan = JetPlan(len(axes), [()])
    values = space.local(torch.as_tensor(points), plan).jets(coefficients)[:, 0]
    if ansatz is not None:
        lift, factor = (jets[:, 0] for jets in ansatz.jets(torch.as_tensor(points), plan))
        values = lift + factor * values
    return float(np.sqrt(weights @ np.square(values.numpy() - problem.exact_values(points)).sum(axis=1)))


def solved(problem, axes: list[Axis]) -> tuple[float, float]:
    """The error in L2 and the residual's root mean square of the least-squares solution of a linear problem."""
    ansatz = Ansatz.of(problem)
    system = System(TensorProduct(axes), problem.domain, problem.blocks(), problem.fields, ansatz=ansatz)
    vector = LaggedGaussNewton().step(system, torch.zeros(system.size, dtype=F64)).vector
    coefficients, _ = system.split(vector)
    return l2_error(problem, system.space, coefficients, ansatz), float(system.residual(vector).norm())


def splines(domain, degree: int, intervals: int) -> list[Axis]:
    return [SplineAxis(np.linspace(low, high, intervals + 1), degree) for low, high in domain.bounds().values()]


def slope(x, y) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def assert_order(errors, sizes, order, above=0.8) -> None:
    """The slope is the order of the theory.

    It may exceed that by `above`: where round-off does not begin yet, the next term of the error in h still falls.
    One order less is out of reach, and so is one more.
    """
    found = slope(sizes, errors)
    assert order - 0.1 < found < order + above, (found, errors)


# Splines in space ----------------------------------------------------------------------------------------------------

INTERVALS = {
    "a line": {3: (16, 24, 32, 48), 5: (12, 16, 20, 24, 28), 7: (8, 10, 12, 14, 16)},
    "a square": {3: (12, 16, 20, 24), 5: (8, 10, 12, 14, 16), 7: (6, 7, 8, 9, 10)},
    "heat": {3: (12, 16, 24, 32), 5: (12, 16, 20, 24), 7: (8, 10, 12, 14)},
}
PROBLEMS = {"a line": Line(), "a square": Square(), "heat": Heat()}


@pytest.mark.parametrize("degree", [3, 5, 7])
@pytest.mark.parametrize("name", PROBLEMS)
def test_splines_of_degree_k_have_the_order_k_plus_1_and_their_residual_k_minus_1(name, degree):
    problem, counts = PROBLEMS[name], INTERVALS[name][degree]
    sizes, found = 1 / np.array(counts), []
    for count in counts:
        axes = splines(problem.domain, degree, count)
        if problem.domain.time is not None:
            axes[problem.domain.time] = LegendreAxis(np.array([0.0, 1.0]), 14)  # exact to round-off
        found.append(solved(problem, axes))
    errors, residuals = zip(*found, strict=True)
    assert_order(errors, sizes, degree + 1)
    assert_order(residuals, sizes, degree - 1)


def test_the_error_falls_with_the_degree_as_the_nearest_pole_allows():
    """By ρ^−k for polynomials, ρ the sum of the half axes of the ellipse through the poles ±i (Bernstein): 1 + √2."""
    degrees = np.arange(4, 23, 2)
    errors = [solved(Witch(), [LegendreAxis(np.array([-1.0, 1.0]), int(k))])[0] for k in degrees]
    rate = -np.polyfit(degrees, np.log(errors), 1)[0]
    # The factors of powers of k before ρ^−k are worth a few hundredths over these degrees.
    assert rate == pytest.approx(np.log(1 + np.sqrt(2)), rel=0.03)


# Slabs of time -------------------------------------------------------------------------------------------------------


def error_of_slabs(problem: Problem, count: int, degree: int) -> float:
    """The error in L2 of so many equal slabs of time, one after the other, of polynomials of the degree."""
    affine = all(is_affine(block, problem) for block in problem.blocks())
    limits = MarchTolerances(degree_in_time=(degree,) * 3)
    task = MarchTask(problem, 9, None, affine, most=8000, device=torch.device("cpu"), tolerances=limits)
    slabs = ()
    for number in range(count):
        attempt = Attempt(number / count, (number + 1) / count, ())
        iterate = initial_iterate(task, attempt, slabs[-1] if slabs else None)
        system = slab_system(task, MarchState(attempt, iterate, 1 / count, slabs=slabs))
        method, vector = LaggedGaussNewton(), iterate.vector
        for _ in range(4):  # Gauss–Newton converges to round-off
            vector = method.step(system, vector).vector
        slabs = (*slabs, measure_slab(task, attempt, system, vector))
    return math.sqrt(np.mean([l2_error(problem, slab.space, slab.tensor(task.device)) ** 2 for slab in slabs]))


@pytest.mark.parametrize("degree", [2, 3, 4, 5])
def test_polynomials_of_degree_p_in_time_have_the_order_p_plus_1_in_the_length_of_a_slab(degree):
    """The residual has the order p and, by duality, the error one more; the slope is that to a tenth."""
    counts = (6, 8, 11)
    errors = [error_of_slabs(Logistic(), count, degree) for count in counts]
    assert_order(errors, 1 / np.array(counts), degree + 1, above=0.1)
