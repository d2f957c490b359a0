"""Evolutions of several fields that are periodic in the plane: found by probing, solved with few iterations."""

import dataclasses

import numpy as np
import pytest
import sympy as sp
import torch
from march_problems import task_of

from kanpde import Box, Condition, Dirichlet, Initial, Integral, Periodic, Problem, solve
from kanpde.calculus.jets import JetPlan
from kanpde.marching import circulant, knot_placement
from kanpde.marching.audit.correction import corrections, finer_axes
from kanpde.marching.audit.parts import Part
from kanpde.marching.axes import SplineAxis
from kanpde.marching.circulant import Circulant
from kanpde.marching.piece import TensorFunction
from kanpde.marching.slab_system import initial_iterate, slab_system
from kanpde.marching.slabs import Slab
from kanpde.marching.state import Attempt, MarchState
from kanpde.optim.cgls import conjugate_gradients


@dataclasses.dataclass(frozen=True)
class Exchange(Problem):
    """Two fields that diffuse and turn into each other: u + v and u - v decay like modes of the heat equation.

    With a `wave` the rate varies in space by that share of it, and is balanced by a source.
    """

    wave: float = 0.0
    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v, x, y):
        turned = (1 + self.wave * torch.sin(2 * torch.pi * (x + y))) * (u - v)
        return u.t - 0.02 * (u.xx + u.yy) + turned, v.t - 0.02 * (v.xx + v.yy) - turned

    def conditions(self):
        start = {f"{name}_start": Initial("exact", field=name) for name in self.fields}
        return {**start, "x": Periodic("x"), "y": Periodic("y")}

    def exact(self, x, y, t):
        rate = sp.Rational(16, 100) * sp.pi**2
        total = sp.cos(2 * sp.pi * x) * sp.sin(2 * sp.pi * y) * sp.exp(-rate * t)
        apart = sp.sin(2 * sp.pi * x) * sp.cos(2 * sp.pi * y) * sp.exp(-(rate + 2) * t)
        return total + apart, total - apart


class Walled(Exchange):
    def conditions(self):
        return {**super().conditions(), "y": Dirichlet("exact", on="y")}


class Jumping(Exchange):
    def conditions(self):
        across = {"x": Condition(lambda u, v, x, y: u.x - 1, on="x-")}
        return {**super().conditions(), **across}


class Half(Exchange):
    def conditions(self):
        return {**super().conditions(), "y": Periodic("y", field="u")}


class Flow(Problem):
    """Stokes' flow on a torus, whose pressure is open up to a function of t if no mean pins it."""

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))
    fields = ("u", "v", "p")
    source = "exact"

    def residual(self, u, v, p):
        return u.t + p.x - (u.xx + u.yy) / 50, v.t + p.y - (v.xx + v.yy) / 50, u.x + v.y

    def conditions(self):
        start = {f"{name}_start": Initial("exact", field=name) for name in "uv"}
        return {**start, "x": Periodic("x"), "y": Periodic("y"), "mean": Integral(lambda t: 1 + t, field="p")}

    def exact(self, x, y, t):
        a, b, fading = 2 * sp.pi * x, 2 * sp.pi * y, sp.exp(-t)
        return fading * sp.sin(a) * sp.cos(b), -fading * sp.cos(a) * sp.sin(b), 1 + t + sp.cos(a) * sp.sin(b) * fading


def system_of(problem, intervals, high=0.2, degree=5, *, sparse=False):
    task = task_of(problem, most_iterated=10**5)
    axes = tuple(SplineAxis(np.linspace(0, 1, intervals + 1), degree, True, sparse) for _ in range(2))
    attempt = Attempt(0.0, high, axes)
    state = MarchState(attempt, initial_iterate(task, attempt, None), high)
    return task, state, slab_system(task, state)


def test_only_problems_that_are_periodic_everywhere_have_circulant_matrices():
    assert task_of(Exchange()).periodic
    assert all(axis.periodic for axis in task_of(Exchange()).first_axes)
    assert task_of(Flow()).periodic
    for other in (Walled(), Jumping(), Half()):
        assert not task_of(other).periodic, type(other)


def test_one_point_for_each_function_is_enough_if_every_field_evolves():
    assert all(axis.sparse for axis in task_of(Exchange()).first_axes)
    assert not any(axis.sparse for axis in task_of(Flow()).first_axes)  # the pressure has no derivative in time


@pytest.mark.parametrize("degree", [4, 5, 8, 9, 13])
def test_no_wave_vanishes_at_the_single_points(degree):
    axis = SplineAxis(np.linspace(0, 1, 31), degree, True, True)
    values = axis.design(axis.points)
    assert values.shape == (30, 30)
    assert np.abs(np.fft.fft(values[:, 0])).min() > (2 / np.pi) ** (degree + 1)  # the shortest one is the smallest


def test_the_rows_of_a_slab_leave_out_what_its_splines_satisfy():
    task, _, system = system_of(Exchange(), 8)
    assert {piece.placed.block.name for piece in system.pieces} == {"residual", "u_start", "v_start"}
    assert {block.name for block in task.blocks} >= {"x", "y"}  # a network's audit has them
    walled, _, rows = system_of(Walled(), 8)
    assert {piece.placed.block.name for piece in rows.pieces} == {block.name for block in walled.blocks}


@pytest.mark.parametrize("problem, sparse", [(Exchange(), False), (Flow(), False), (Exchange(), True)])
def test_constant_slopes_give_the_inverse_itself(problem, sparse):
    task, state, system = system_of(problem, 30 if sparse else 7, sparse=sparse)
    linear = system.linearise(state.iterate.vector)
    factor = Circulant(system, linear, task.time)
    vector = torch.from_numpy(np.random.default_rng(0).normal(size=system.size))
    found = factor.solve(linear.transposed(linear.product(vector)))
    assert factor.definite
    assert float((found - vector).norm() / vector.norm()) < 1e-6


@pytest.mark.parametrize("wave", [0.3, 0.9])
def test_the_number_of_iterations_does_not_depend_on_the_knots(wave):
    counts = []
    for intervals in (8, 16, 32):
        task, state, system = system_of(Exchange(wave=wave), intervals)
        counts.append(circulant.take_step(task, state.iterate.vector, system).iterations)
    assert max(counts) <= 40
    assert counts[2] <= 1.5 * counts[0] + 3


@pytest.mark.parametrize("intervals, sparse", [(12, False), (26, True)])
def test_a_step_solves_a_linear_system_and_leaves_the_rows_as_they_were(intervals, sparse):
    task, state, system = system_of(Exchange(), intervals, degree=9, sparse=sparse)
    state = dataclasses.replace(
        state, iterate=dataclasses.replace(state.iterate, vector=torch.zeros_like(state.iterate.vector))
    )
    before = [scale.clone() for scale in system.scales]
    taken = circulant.take_step(task, state.iterate.vector, system)
    assert taken.step.accepted and taken.step.ratio == pytest.approx(1.0, abs=1e-3)
    assert all(torch.equal(one, other) for one, other in zip(before, system.scales, strict=True))
    points = np.random.default_rng(0).random((200, 3)) * (1, 1, 0.2)
    exact = [sp.lambdify(sp.symbols("x y t"), each)(*points.T) for each in task.problem.exact(*sp.symbols("x y t"))]
    function = system.at(taken.step.vector)
    values = function.jets(function.prepare(torch.from_numpy(points), JetPlan(3, [()])))[:, 0].numpy()
    assert np.abs(values - np.stack(exact, axis=1)).max() < 1e-6
    linear = system.linearise(state.iterate.vector)
    expected = conjugate_gradients(linear, Circulant(system, linear, task.time), 200, 1e-12)
    moved = float((state.iterate.vector + expected.step - taken.step.vector).norm() / taken.step.vector.norm())
    assert moved < 1e-3


def test_a_flow_on_a_torus_is_solved_with_its_mean_pressure():
    solution = solve(Flow(), device="cpu", training={"target": 1e-6})
    assert solution.errors()["relative_l2"] < 1e-6
    assert solution.verdict == "solved" and solution.error_estimate < 1e-6


def test_equidistant_knots_follow_the_decay_of_waves():
    axis = SplineAxis(np.linspace(0, 2 * np.pi, 25), 7, True)
    x = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    columns, values = axis.local(torch.from_numpy(x), 1)
    matrix = np.zeros((200, axis.size))
    np.add.at(matrix, (np.arange(200)[:, None], columns.numpy()), values[:, 0].numpy())
    limits = task_of(Exchange()).tolerances
    wanted = []
    for sharpness in (1.2, 3.0):  # the amplitudes of 1 / (sharpness - cos x) fall faster where that is large
        coefficients = np.linalg.lstsq(matrix, 1 / (sharpness - np.cos(x)), rcond=None)[0][:, None]
        slab = Slab(0.0, 1.0, (axis,), coefficients, np.zeros(0), 1e-3, 0.0)
        (found,), more = knot_placement.spectral_axes(slab, (0,), aim=1e-5, stalls=0, limits=limits)
        assert more and np.allclose(np.diff(found.breakpoints), np.diff(found.breakpoints)[0]) and found.periodic
        wanted.append(found.intervals)
    assert 24 < wanted[1] < wanted[0] <= 60


def test_a_correction_shows_an_error_of_waves_that_no_factored_splines_have():
    task, state, system = system_of(Exchange(), 32, degree=9, sparse=True)
    solved = circulant.take_step(task, torch.zeros_like(state.iterate.vector), system).step.vector
    wave = torch.cos(2 * torch.pi * 12 * torch.arange(32) / 32).to(torch.float64)
    wrong = solved.clone().view(32, 32, 10, 2)
    wrong[:, :, 0, 0] += 1e-3 * wave[:, None]  # in u, at all times
    axes = state.attempt.axes
    part = Part(0.0, 0.2, axes, TensorFunction(system.space, None, wrong.view(-1, 2)))
    audited = task_of(Exchange(), degree=1, most_iterated=10**5)
    few = finer_axes(audited, part, 1.0)
    assert few[0].size < 2 * 12 < 32  # the usual correction has no such waves
    (found,) = corrections(audited, [part], torch.zeros(0, dtype=torch.float64))
    points = torch.from_numpy(np.random.default_rng(0).random((200, 3)) * (1, 1, 0.2))
    values = []
    for function in (found.function, TensorFunction(system.space, None, solved.view(-1, 2)), part.function):
        values.append(function.jets(function.prepare(points, JetPlan(3, [()])))[:, 0])
    corrected, right, given = values
    assert float((given - right).norm()) > 100 * float((corrected - right).norm())
    assert sum(each**2 for each in found.after.values()) < 1e-4 * sum(each**2 for each in found.before.values())
