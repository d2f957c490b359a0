"""What a pass knows of the next one: lengths, knots and guesses that need few further attempts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from march_problems import Front, march_of, task_of

from kanpde import Box, Dirichlet, Initial, Problem
from kanpde.marching import forecast
from kanpde.marching.axes import LegendreAxis, SplineAxis
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.tensor_product import TensorProduct
from kanpde.marching.verdicts import Aim


def slab_of(function, low, high, breakpoints, *, residual=1e-4, tail=1e-6):
    """A slab of half a unit of time on which the function of x and t is fitted."""
    axes = (SplineAxis(np.asarray(breakpoints), 9), LegendreAxis(np.array([low, high]) / 2, 11))
    values = function(*np.meshgrid(*(axis.points for axis in axes), indexing="ij"))[..., None]
    for a, axis in enumerate(axes):
        values = np.moveaxis(np.tensordot(np.linalg.pinv(axis.design(axis.points)), values, (1, a)), 0, a)
    return Slab(low, high, axes, values, np.zeros(0), residual, tail)


def wave(x, t):
    return np.sin(3 * x - 2 * t)


def test_a_guess_is_the_solution_of_the_pass_before_across_its_slabs():
    found = Pass((slab_of(wave, 0.0, 0.4, np.linspace(-1, 1, 9)), slab_of(wave, 0.4, 1.0, np.linspace(-1, 1, 13))))
    space = TensorProduct((SplineAxis(np.linspace(-1, 1, 18), 9), LegendreAxis(np.array([0.1, 0.4]), 11)))
    guess = forecast.guess_from(found, space, 1, 0.2, 0.8)
    x, t = np.linspace(-1, 1, 40), np.linspace(0.1, 0.4, 20)
    values = np.einsum("xi,tj,ij->xt", space.axes[0].design(x), space.axes[1].design(t), guess[..., 0])
    assert np.abs(values - wave(x[:, None], t)).max() < 1e-7


def test_a_slab_is_as_long_as_the_tails_of_the_pass_before_allow():
    task, breakpoints = task_of(Front()), np.linspace(-1, 1, 9)
    short = slab_of(wave, 0.5, 1.0, breakpoints, residual=1e-4, tail=1e-3)
    found, aim = Pass((slab_of(wave, 0.0, 0.5, breakpoints, tail=1e-20), short)), Aim(1e-3, 11, False)
    assert forecast.length_after(found, 0.1, aim, task) == pytest.approx(0.5)  # as long as the second slab may be
    assert forecast.length_after(Pass(found.slabs[:1]), 0.1, aim, task) == pytest.approx(10.0)  # it is known there
    unsolved = dataclasses.replace(found.slabs[0], residual=0.01)
    assert forecast.length_after(Pass((unsolved,)), 0.1, aim, task) == pytest.approx(1.5)


class Cooling(Problem):
    """A plate that cools."""

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))

    def residual(self, u):
        return u.t - u.xx - u.yy

    def conditions(self):
        return {"start": Initial(1), "walls": Dirichlet(0)}


def test_a_smooth_solution_gets_a_higher_degree_in_place_of_knots():
    task = task_of(Cooling(), smooth_degree=13)
    now = tuple(SplineAxis(np.linspace(0, 1, 3), 9) for _ in range(2))
    more = tuple(SplineAxis(np.linspace(0, 1, 6), 9) for _ in range(2))
    raised = forecast.of_higher_degree(task, more, now)
    assert [(axis.degree, axis.intervals) for axis in raised] == [(13, 2), (13, 2)]
    assert forecast.of_higher_degree(task, now, now) is now  # no knots are wanted
    assert forecast.of_higher_degree(task, more, raised) is more  # the degree is the highest one
    many = tuple(SplineAxis(np.linspace(0, 1, 10), 9) for _ in range(2))
    assert forecast.of_higher_degree(task, more, many) is more  # the solution is not so smooth
    given = dataclasses.replace(task, smooth_degree=9)
    assert forecast.of_higher_degree(given, more, now) is more


def test_knots_go_where_the_slabs_before_need_them_and_stay_where_they_are_enough():
    def front(x, t):
        return np.tanh(4 * (x - 0.4 - 0.01 * t))

    task, now = task_of(Front()), np.linspace(-1, 1, 41)
    slab = slab_of(front, 0.0, 0.5, now)
    axis = slab.axes[0]
    (finer,) = forecast.axes_for(task, [slab], 1e-7, (axis,), None, 0.5)
    narrowest = np.diff(finer.breakpoints).argmin()
    assert finer.intervals > axis.intervals and abs(finer.breakpoints[narrowest] - 0.4) < 0.2
    few = SplineAxis(np.linspace(-1, 1, 10), 9)
    (again,) = forecast.axes_for(task, [slab_of(wave, 0.0, 0.5, few.breakpoints)], 1e-4, (few,), None, 0.5)
    assert again is few


def test_derivatives_that_grow_ask_for_more_knots_later():
    def steepening(x, t):
        return np.tanh((2 + 8 * t) * x)

    slab = slab_of(steepening, 0.0, 1.0, np.linspace(-1, 1, 33))
    soon, late = (forecast.grown_sizes(slab, 0, 1, length).max() for length in (0.1, 1.0))
    assert late > 10 * soon > 0


def test_a_second_pass_needs_about_one_attempt_for_a_slab():
    march, opened = march_of(Front()), []
    while march.state.passes < 2 and march.state.done is None:
        before = march.state
        march.step()
        if before.passes == 1 and before.attempt is not march.state.attempt:
            opened.append(before.attempt)
    assert len(opened) <= len(march.state.best.slabs) + 2
