"""Constants from noisy measurements: those of the least-squares fit of the solution itself, with its uncertainties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from kanpde import Box, Data, Dirichlet, Initial, Problem, solve

TRUE, NOISE, COUNT = np.array([0.2, 1.5]), 0.01, 100


def modes(constants, points):
    """The solution from sin πx + sin 3πx / 2."""
    (diffusivity, rate), (x, t) = constants, points.T
    first, third = (np.exp(-(diffusivity * (k * np.pi) ** 2 + rate) * t) * np.sin(k * np.pi * x) for k in (1, 3))
    return first + third / 2


def measured(seed):
    random = np.random.default_rng(seed)
    points = random.random((COUNT, 2))
    return points, modes(TRUE, points) + NOISE * random.standard_normal(COUNT)


@dataclass(frozen=True)
class Decay(Problem):
    """u_t = diffusivity u_xx - rate u; both constants start off by a factor of 10."""

    seed: int = 0

    domain = Box(x=(0, 1), t=(0, 1))
    unknowns = {"diffusivity": 2.0, "rate": 0.15}

    def residual(self, u, x, t, diffusivity, rate):
        return u.t - diffusivity * u.xx + rate * u

    def conditions(self):
        start = Initial(lambda x: torch.sin(torch.pi * x) + torch.sin(3 * torch.pi * x) / 2)
        return {"start": start, "ends": Dirichlet(0, on="x"), "seen": Data(*measured(self.seed))}


@pytest.mark.parametrize("seed", [0, 3])
def test_the_estimate_is_that_of_least_squares(seed):
    solution = solve(Decay(seed))
    points, values = measured(seed)
    fit = least_squares(lambda c: (modes(c, points) - values) / NOISE, TRUE)
    deviations = np.sqrt(np.diag(np.linalg.inv(fit.jac.T @ fit.jac)))
    found, uncertainty = np.array([*solution.unknowns.values()]), np.array([*solution.uncertainty.values()])
    assert (np.abs(found - fit.x) < 0.05 * deviations).all()
    assert (np.abs(found - TRUE) < 3 * deviations).all()
    # The noise is estimated from the misfit, as the fit's own is: sqrt(χ² / degrees of freedom).
    assert uncertainty == pytest.approx(deviations * np.sqrt(2 * fit.cost / (COUNT - 2)), rel=0.05)


class Mode(Decay):
    """The same from a single mode, which only tells π² diffusivity + rate."""

    unknowns = {"diffusivity": 1.0, "rate": 0.0}

    def conditions(self):
        points = np.random.default_rng(1).random((COUNT, 2))
        noise = NOISE * np.random.default_rng(2).standard_normal(COUNT)
        values = np.exp(-(TRUE[0] * np.pi**2 + TRUE[1]) * points[:, 1]) * np.sin(np.pi * points[:, 0])
        start = Initial(lambda x: torch.sin(torch.pi * x))
        return {"start": start, "ends": Dirichlet(0, on="x"), "seen": Data(points, values + noise)}


def test_constants_of_which_only_a_sum_is_seen_stay_near_their_start():
    """Noise and rounding alone would lead them along the line of equal sums to infinity."""
    solution = solve(Mode(), training={"max_iterations": 60})
    diffusivity, rate = solution.unknowns["diffusivity"], solution.unknowns["rate"]
    assert max(abs(diffusivity), abs(rate)) < 20
    # The decay is as sure as a fit of it alone: 100 values with noise 0.01 leave it open by about 0.02.
    assert abs(np.pi**2 * diffusivity + rate - (np.pi**2 * TRUE[0] + TRUE[1])) < 0.1
    assert solution.verdict == "doubtful"
    assert any("unknown" in reason for reason in solution.reasons)
