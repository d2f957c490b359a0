"""Marches: problems solved to many digits, and the slabs they are solved in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import sympy as sp
import torch
from equations import Swing
from march_problems import Bratu, Front, Rate, String, march_of

from kanpde import Box, Dirichlet, Initial, Problem, load_problem, solve
from kanpde.errors import Ending
from kanpde.marching.axes import LegendreAxis, SplineAxis
from kanpde.marching.evolution import evolves
from kanpde.marching.slabs import Slab, constant_in_time, continued_decay, extrapolated, sizes_in_time, tail_of
from kanpde.marching.task import space
from kanpde.marching.tolerances import MarchTolerances

# Solutions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "bound"),
    [(Front(), 1e-6), (Swing(), 1e-10), (String(), 1e-9), (Bratu(), 1e-9), (Rate(), 1e-9)],
    ids=lambda value: type(value).__name__ if isinstance(value, Problem) else str(value),
)
def test_problems_are_solved_to_many_digits(problem, bound):
    solution = solve(problem, device="cpu", training={"target": 1e-6})
    assert solution.errors()["relative_l2"] < bound
    assert solution.stopped_because.startswith(("target", "converged"))


def test_an_unknown_constant_is_found():
    assert abs(solve(Rate(), device="cpu", training={"target": 1e-7}).unknowns["k"] - 0.6) < 1e-8


def test_slabs_follow_each_other_only_where_time_begins_at_the_first_time():
    assert evolves(Front()) and evolves(Swing()) and evolves(String())
    assert not evolves(Bratu()) and not evolves(Rate()) and not evolves(load_problem("poisson"))

    class NoVelocity(String):
        def conditions(self):
            return {"start": Initial(0), "ends": Dirichlet(0, on="x")}

    class KnownEnd(Front):
        def conditions(self):
            return {**super().conditions(), "end": Dirichlet("exact", on="t+")}

    assert not evolves(NoVelocity()) and not evolves(KnownEnd())


def test_every_pass_has_a_smaller_residual_at_more_or_better_knots():
    march, found = march_of(Front()), []
    while march.state.done is None and len(found) < 3:
        march.step()
        if march.state.best is not None and (not found or found[-1] is not march.state.best):
            found.append(march.state.best)
    residuals = [one.residual for one in found]
    assert residuals == sorted(residuals, reverse=True) and residuals[-1] < residuals[0] / 100


def test_unknowns_stay_below_the_most_there_may_be():
    march = march_of(Front(), most=500)
    for _ in range(60):
        assert march.step() and march.seen.unknowns <= 500


@pytest.mark.parametrize("name", ["stokes", "helmholtz_disk"])  # three fields and one
def test_a_march_that_may_have_no_finer_knots_says_so(name):
    solution = solve(load_problem(name), training={"max_parameters": 300})
    assert solution.record["stopped_because"].startswith("unknowns: finer knots would have more than 300 unknowns")
    assert solution.errors()["relative_l2"] < 1e-2


def test_a_march_has_as_many_passes_as_there_are_tolerances():
    march = march_of(Front(), tolerances=MarchTolerances(passes=(1e-2,)))
    while march.state.done is None:
        march.step()
    assert march.state.done is Ending.CONVERGED and march.state.passes == 1 and march.state.best.residual < 2e-2


class Pole(Problem):
    """u' = u + 1/0: nothing is finite."""

    domain = Box(t=(0, 1))

    def residual(self, u, t):
        return u.t - u * torch.log(-1 - t)

    def conditions(self):
        return {"start": Initial(1)}


def test_a_march_whose_residual_is_not_finite_has_diverged():
    march = march_of(Pole())
    march.step()
    assert march.state.done is Ending.DIVERGED and march.state.best is None


def test_a_march_without_a_solution_gives_way_to_a_descent(monkeypatch):
    monkeypatch.setattr("kanpde.training.march_phase.MAX_RESIDUAL", 0.0)
    solution = solve(Swing(), device="cpu", training={"target": 1e-3})
    assert solution.network.width != ((2, 0),) and solution.errors()["relative_l2"] < 1e-2


# Slabs ---------------------------------------------------------------------------------------------------------------


def test_a_space_has_splines_in_space_and_polynomials_in_time():
    splines = (SplineAxis(np.linspace(-1, 1, 5), 3),)
    found = space(Box(t=(0.5, 2), x=(-1, 1)), splines, 4)
    assert isinstance(found.axes[0], LegendreAxis) and found.axes[0].breakpoints.tolist() == [0.5, 2.0]
    assert found.axes[1] is splines[0] and found.shape == (5, 7)
    assert space(Box(x=(-1, 1)), splines, None).axes == splines


def in_slab(low, high, function, degree=7):
    """A slab of time whose solution is the function of x and t, fitted."""
    axes = (SplineAxis(np.linspace(-1, 1, 5), 7), LegendreAxis(np.array([low, high]), degree))
    values = function(*np.meshgrid(*(axis.points for axis in axes), indexing="ij"))[..., None]
    for a, axis in enumerate(axes):
        values = np.moveaxis(np.tensordot(np.linalg.pinv(axis.design(axis.points)), values, (1, a)), 0, a)
    return Slab(low, high, axes, values, np.zeros(0), 0.0, 0.0)


def test_a_slab_starts_from_the_last_one_extrapolated():
    def cubic(x, t):
        return (1 - x) * t**3 + x**2 * t

    last, next_one = in_slab(0.0, 0.2, cubic), in_slab(0.2, 0.5, cubic)
    assert np.abs(extrapolated(last, next_one.space, 1)[0] - next_one.coefficients).max() < 1e-12
    last, next_one = (in_slab(*bounds, lambda x, t: np.sin(9 * t) * (1 + x)) for bounds in ((0.0, 0.1), (0.1, 0.2)))
    started, _ = extrapolated(last, next_one.space, 1)
    assert np.abs(started - next_one.coefficients).max() < 1e-3
    noisy = dataclasses.replace(last, coefficients=last.coefficients + 1e-6 * np.sign(last.coefficients))
    started, _ = extrapolated(noisy, next_one.space, 1)
    assert np.abs(started - next_one.coefficients).max() < 1e-2  # P_7(3) is 5e4: uncut, 0.2


def test_the_end_of_a_slab_is_held():
    last, end = in_slab(0.0, 0.2, lambda x, t: t**2 * (1 + x)), in_slab(0.2, 1.0, lambda x, t: 0.04 * (1 + x) + 0 * t)
    assert np.abs(constant_in_time(last, end.space, 1)[0] - end.coefficients).max() < 1e-12


def test_last_coefficients_that_do_not_fall_are_noise():
    slab = in_slab(0.0, 0.5, lambda x, t: np.exp(-3 * t) * (2 + x))
    tail, flat = tail_of(sizes_in_time(slab.space, 1, slab.coefficients), expensive=False)
    assert 1e-8 < tail < 1e-4 and not flat
    hidden, flat = tail_of(sizes_in_time(slab.space, 1, slab.coefficients + 1e-3), expensive=False)
    assert hidden > tail and flat


def test_the_decay_before_the_noise_tells_about_the_coefficients_that_it_hides():
    decay = 0.2 ** np.arange(9)
    assert continued_decay(decay + 1e-4) == pytest.approx(decay[-2], rel=1.0)
    assert continued_decay(np.full(9, 1e-4)) == np.inf


def test_the_arrays_of_a_slab_are_laid_out_alike_wherever_they_come_from():
    array = np.arange(24.0).reshape(4, 3, 2)
    bytes_off = np.frombuffer(b"\0" + array.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(array.shape)
    for given in (array, np.asfortranarray(array), array[::-1][::-1], bytes_off):
        slab = Slab(0.0, 1.0, (), given, given[0, 0], 0.0, 0.0)
        for kept in (slab.coefficients, slab.constants):
            assert kept.flags.c_contiguous and kept.flags.owndata and kept.flags.aligned
        assert np.array_equal(slab.coefficients, array) and not np.shares_memory(slab.coefficients, given)


@dataclasses.dataclass(frozen=True)
class Warmed(Problem):
    """A rod whose left end becomes warmer: the terms of its constant start are zero."""

    base: float = 300.0
    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - u.xx

    def conditions(self):
        return {
            "start": Initial(self.base),
            "left": Dirichlet(lambda t: self.base + 10 * t**4, on="x-"),
            "right": Dirichlet(self.base, on="x+"),
        }


@dataclasses.dataclass(frozen=True)
class Companion(Problem):
    """Heat, and a field of time alone, whose equation k_x = 0 has one term."""

    domain = Box(x=(0, 1), t=(0, 1))
    fields = ("u", "k")

    def residual(self, u, k, x, t):
        return {"heat": u.t - u.xx, "alike": k.x}

    def conditions(self):
        x, t = sp.symbols("x t")
        return {
            "start": Initial(sp.sin(sp.pi * x), field="u"),
            "ends": Dirichlet(0, field="u"),
            "known": Dirichlet(sp.exp(-t), on="x-", field="k"),
        }

    def exact(self, x, t):
        return {"u": sp.exp(-(sp.pi**2) * t) * sp.sin(sp.pi * x), "k": sp.exp(-t)}


def test_rows_are_not_divided_by_the_round_off_of_a_constant_start():
    from_300 = solve(Warmed(), device="cpu", training={"target": 1e-9})
    from_zero = solve(Warmed(base=0.0), device="cpu", training={"target": 1e-9})
    x, t = np.linspace(0, 1, 21)[:, None], np.linspace(0, 1, 21)
    assert np.abs(from_300(x=x, t=t) - 300 - from_zero(x=x, t=t)).max() < 1e-6


def test_an_equation_of_one_term_is_solved_beside_another():
    assert solve(Companion(), device="cpu", training={"target": 1e-9}).errors()["relative_l2"] < 1e-8
