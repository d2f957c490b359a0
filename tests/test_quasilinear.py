"""Quasilinear equations, whose coefficients change by orders of magnitude between zero and the solution."""

from __future__ import annotations

import pytest
import torch

from kanpde import KAN, Box, Dirichlet, Disk, problem_from, solve
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.sampling import SamplingOptions
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.lifted_march import LiftedMarch, lifted
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.trainer import Trainer

SETTINGS = Settings(
    KAN(), TrainingOptions(), SamplingOptions(), SymbolicOptions(enabled=False), 0, device="cpu", dtype="float64"
)
LINE, SQUARE = Box(x=(0, 1)), Box(x=(0, 1), y=(0, 1))
# Equations that are degenerate at zero, or far from what they are at the solution.
DEGENERATE = {
    "cube of the gradient": ("d(u_x**3, x) = 0", LINE, "3*exp(x)"),
    "square of the solution": ("d((1 + u**2)*u_x, x) + d((1 + u**2)*u_y, y) = 0", SQUARE, "3*exp(x)*cos(y)"),
    "mean curvature": ("(1 + u_y**2)*u_xx - 2*u_x*u_y*u_xy + (1 + u_x**2)*u_yy = 0", SQUARE, "2*exp(x)*y"),
}

# The flux (1 + |∇u|²) ∇u of a solution that is 30 times larger than that of its Laplacian.
CUBIC = "d((1 + u_x**2 + u_y**2)*u_x, x) + d((1 + u_x**2 + u_y**2)*u_y, y) = 0"


def manufactured(equation, domain, exact):
    return problem_from(equation, domain=domain, conditions={"rim": Dirichlet("exact")}, exact=exact, source="exact")


@pytest.mark.parametrize("domain", [Box(x=(0, 1), y=(0, 1)), Disk((0, 0), 1)], ids=["square", "disk"])
def test_a_flux_that_grows_like_the_gradient_cubed_is_solved_from_zero(domain):
    solution = solve(
        manufactured(CUBIC, domain, "3*exp(x)*cos(y) + x*y"), device="cpu", training={"max_iterations": 60}
    )
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-10


@pytest.mark.parametrize("case", DEGENERATE.values(), ids=DEGENERATE)
def test_an_equation_that_zero_says_nothing_of_is_solved_from_a_harmonic_function(case):
    solution = solve(manufactured(*case), device="cpu", training={"max_iterations": 150})
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-10


def test_the_start_is_harmonic_and_has_the_boundary_values():
    """sin(x) sinh(y) is harmonic, so that the start for its boundary values is this function itself."""
    problem = manufactured("u_xx + u_yy - u**3 = 0", SQUARE, "sin(x)*sinh(y)")
    march = lifted(Trainer(problem, SETTINGS).task, KAN())
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = march.current.jets_at(points, JetPlan(2, [()]))[:, 0, 0]
    assert (values - points[:, 0].sin() * points[:, 1].sinh()).abs().max() < 1e-6


def test_a_resumed_training_takes_the_same_next_step():
    whole = Trainer(manufactured(*DEGENERATE["cube of the gradient"]), SETTINGS)
    whole.phase.begin()
    while not isinstance(whole.phase, LiftedMarch):
        whole._advance()
    whole._advance()
    again = Trainer.restored(whole.checkpoint(), whole.problem, SETTINGS)
    assert isinstance(again.phase, LiftedMarch)
    again.phase.begin()
    for _ in range(4):
        assert whole._advance().loss == again._advance().loss
    assert torch.equal(whole.phase.march.state.iterate.vector, again.phase.march.state.iterate.vector)
