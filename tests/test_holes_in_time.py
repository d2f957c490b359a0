"""Tests of evolutions on shapes with holes: functions of holes whose amounts depend on time."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from march_problems import march_of
from scipy.interpolate import BSpline

from kanpde import KAN, Box, Dirichlet, Disk, Initial, Problem, Solution
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.splines import clamped_knots
from kanpde.marching.axes import LegendreAxis, SplineAxis
from kanpde.marching.enriched_product import EnrichedProduct
from kanpde.marching.evolution import part_of
from kanpde.marching.low_rank import compress_with_functions
from kanpde.marching.singular_functions import singular_functions
from kanpde.marching.slabs import Pass, constant_in_time, extrapolated
from kanpde.network.trial_function import Model
from kanpde.problem.evolving_part import EvolvingPart

RING = Disk((0, 0), 1) - Disk((0, 0), 0.4)
TIMES = np.array([0.5, 0.8])


class Cooling(Problem):
    """The heat equation in a ring, with a dipole and a charge in the hole that fade."""

    domain = RING * Box(t=(0, 1))
    source = "exact"
    pseudo = 0.0

    def residual(self, u):
        return u.t - (u.xx + u.yy) / 10 - self.pseudo * u.xxt

    def conditions(self):
        return {"start": Initial("exact"), "walls": Dirichlet("exact")}

    def exact(self, x, y, t):
        square = x**2 + y**2
        return sp.exp(-t) * sp.log(square) + sp.cos(2 * t) * x / square + sp.exp(x - t / 5) * sp.cos(y)


def exact_at(problem, points):
    values = sp.lambdify(sp.symbols("x y t"), problem.exact(*sp.symbols("x y t")), "numpy")
    return values(*points.T)


def points_in(domain, count=200):
    return domain.interior(np.random.default_rng(1).random((count, domain.dimension)))


@pytest.fixture(scope="module")
def functions():
    return singular_functions(Cooling())


def test_an_equation_with_mixed_derivatives_in_time_has_no_functions(functions):
    assert len(functions) > 30

    class Pseudo(Cooling):
        pseudo = 0.1

    assert singular_functions(Pseudo()) == ()


def test_a_space_has_every_function_times_every_polynomial(functions):
    axes = [SplineAxis(np.linspace(-1, 1, 3), 5), SplineAxis(np.linspace(-1, 1, 4), 5), LegendreAxis(TIMES, 3)]
    space, plan = EnrichedProduct(axes, functions[:7]), JetPlan(3, [(0, 0), (1, 2), (2, 2)])
    assert space.size == 7 * 8 * 4 + 7 * 4
    points = torch.as_tensor(points_in(part_of(Cooling(), True, *TIMES), 50))
    found, random = space.at_points(points, plan), torch.Generator().manual_seed(0)
    coefficients = torch.randn(space.size, 2, dtype=torch.float64, generator=random)
    jets = found.jets(coefficients)
    assert torch.allclose(jets, found.local.jets(coefficients), rtol=1e-12, atol=1e-10)
    other = torch.randn(jets.shape, dtype=torch.float64, generator=random)
    assert float((found.adjoint(other) * coefficients).sum()) == pytest.approx(float((other * jets).sum()))
    # The last unknown is the last function times the polynomial of degree 3.
    one = torch.zeros(space.size, 1, dtype=torch.float64)
    one[-1] = 1.0
    polynomial = LegendreAxis(TIMES, 3).local(points[:, 2].contiguous(), 3)[1][:, :, 3]
    around = functions[6].jets(points[:, :2], JetPlan(2, [(0, 0), (1,)]))
    own, partials = found.jets(one)[:, :, 0], plan.index
    in_space = JetPlan(2, [(0, 0), (1,)]).index
    assert torch.allclose(own[:, partials[0, 0]], around[:, in_space[0, 0]] * polynomial[:, 0])
    assert torch.allclose(own[:, partials[1, 2]], around[:, in_space[(1,)]] * polynomial[:, 1])
    assert torch.allclose(own[:, partials[2, 2]], around[:, in_space[()]] * polynomial[:, 2])


@pytest.fixture(scope="module")
def slab():
    march = march_of(Cooling(), degree=7)
    while not march.state.slabs:
        march.step()
    return march.state.slabs[0]


def test_a_slab_around_a_hole_has_many_digits_and_so_has_its_network(slab, tmp_path):
    problem = Cooling()
    domain = part_of(problem, True, slab.low, slab.high)
    points = points_in(domain)
    truth, where = exact_at(problem, points), torch.as_tensor(points)
    values = slab.space.local(where, JetPlan(3, [()])).jets(slab.tensor(where.device))[:, 0, 0].numpy()
    assert np.abs(values - truth).max() < 1e-8 * np.abs(truth).max()
    network, part = compress_with_functions(domain, Pass((slab,)), 9)
    assert isinstance(network, KAN) and isinstance(part, EvolvingPart)
    model = Model(network, part)
    assert np.abs(model(where).detach().numpy()[:, 0] - truth).max() < 5e-8 * np.abs(truth).max()
    # ∂t of a network with the part, by automatic differentiation and by its jets.
    place = where.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(place).sum(), place)
    plan = JetPlan(3, [(2,), (0,)])
    jets = model.jets_at(where, plan)[:, :, 0]
    for axis in (0, 2):
        assert torch.allclose(jets[:, plan.index[(axis,)]], slope[:, axis], rtol=1e-7, atol=1e-8)
    solution = Solution(problem, model, {}, {"stopped_because": "target"})
    solution.save(tmp_path / "ring.kan")
    again = Solution.load(tmp_path / "ring.kan", problem)
    assert torch.equal(again.model(where), model(where))


def test_the_end_of_a_slab_goes_on(slab):
    end = np.array([[0.7, 0.2, slab.axes[2].breakpoints[1]]])
    later = [*slab.axes[:2], LegendreAxis(slab.axes[2].breakpoints[1] + np.array([0.0, 0.1]), 9)]
    space, plan = EnrichedProduct(later, slab.functions), JetPlan(3, [(), (2,)])

    def jets_of(own, *arrays):
        coefficients = torch.cat([torch.as_tensor(each).reshape(-1, 1) for each in arrays])
        return own.local(torch.as_tensor(end), plan).jets(coefficients)[0, :, 0].numpy()

    before = jets_of(slab.space, slab.coefficients, slab.amounts)
    assert jets_of(space, *constant_in_time(slab, space, 2)) == pytest.approx([before[0], 0.0], abs=1e-9)
    assert jets_of(space, *extrapolated(slab, space, 2)) == pytest.approx(before, rel=0.05)


def test_amounts_are_splines_in_time(functions):
    breakpoints, random = np.array([0.0, 0.3, 0.5, 1.0]), np.random.default_rng(0)
    coefficients = random.normal(size=(8, 2, 1))
    part = EvolvingPart.of_splines(functions[:2], breakpoints, 5, coefficients)
    spline = BSpline(clamped_knots(breakpoints, 5)[0], coefficients[:, :, 0], 5)
    t = random.random(20)
    for order in range(4):
        known = spline.derivative(order)(t) if order else spline(t)
        assert part.amounts(torch.as_tensor(t), order)[:, :, 0].numpy() == pytest.approx(known, rel=1e-8, abs=1e-8)
    later = EvolvingPart.of_splines(functions[:2], breakpoints + 1, 5, coefficients)
    both = part.followed_by(later)
    assert torch.allclose(both.amounts(torch.as_tensor(t + 1), 0), part.amounts(torch.as_tensor(t), 0))
    assert torch.equal(both.amounts(torch.as_tensor(t), 1), part.amounts(torch.as_tensor(t), 1))
