"""Quasilinear equations, whose coefficients change by orders of magnitude between zero and the solution."""

from __future__ import annotations

import pytest

from kanpde import Box, Dirichlet, Disk, problem_from, solve

# The flux (1 + |∇u|²) ∇u of a solution that is 30 times larger than that of its Laplacian.
CUBIC = "d((1 + u_x**2 + u_y**2)*u_x, x) + d((1 + u_x**2 + u_y**2)*u_y, y) = 0"


@pytest.mark.parametrize("domain", [Box(x=(0, 1), y=(0, 1)), Disk((0, 0), 1)], ids=["square", "disk"])
def test_a_flux_that_grows_like_the_gradient_cubed_is_solved_from_zero(domain):
    conditions = {"rim": Dirichlet("exact")}
    exact = "3*exp(x)*cos(y) + x*y"
    problem = problem_from(CUBIC, domain=domain, conditions=conditions, exact=exact, source="exact")
    solution = solve(problem, device="cpu", training={"max_iterations": 60})
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-10
