"""Tests of unknown constants that noisy measurements determine, whatever the equation weighs beside them."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanpde import Box, Condition, Data, Dirichlet, Initial, Problem, solve


class Heated(Problem):
    """u_t = k u_xx + s between cold ends: the source contradicts them in the corners, where no splines follow."""

    domain = Box(x=(0, 1), t=(0, 1))
    unknowns = {"k": 1.0, "s": 0.0}

    def __init__(self, seed, noise=0.01, truth=(0.07, 0.3)):
        random = np.random.default_rng(seed)
        self.points = random.random((150, 2))
        self.values = self.series(*truth) + noise * random.standard_normal(150)

    def series(self, k, s):
        x, t = self.points.T
        n = np.arange(1, 80, 2)[:, None]
        rates = k * (n * np.pi) ** 2
        source = (4 * s / (n * np.pi) / rates * (1 - np.exp(-rates * t)) * np.sin(n * np.pi * x)).sum(0)
        return np.exp(-k * np.pi**2 * t) * np.sin(np.pi * x) + source

    def residual(self, u, x, t, k, s):
        return u.t - k * u.xx - s

    def conditions(self):
        start, ends = Initial(sp.sin(sp.pi * sp.Symbol("x"))), Dirichlet(0, on="x")
        return {"start": start, "ends": ends, "seen": Data(self.points, self.values)}

    def optimum(self):
        """Return the constants of the smallest misfit and their standard deviations, by Gauss–Newton on the series."""
        z = np.array([0.07, 0.3])
        for _ in range(20):
            steps = 1e-6 * np.eye(2)
            slopes = np.stack([(self.series(*(z + e)) - self.series(*(z - e))) / 2e-6 for e in steps], axis=1)
            z = z + np.linalg.lstsq(slopes, self.values - self.series(*z), rcond=None)[0]
        variance = np.square(self.values - self.series(*z)).sum() / (len(self.values) - 2)
        return z, np.sqrt(variance * np.diag(np.linalg.inv(slopes.T @ slopes)))


def test_an_error_of_the_space_does_not_determine_constants():
    problem = Heated(5)
    solution = solve(problem, device="cpu")
    best, spread = problem.optimum()
    for name, z, deviation in zip(("k", "s"), best, spread, strict=True):
        assert abs(solution.unknowns[name] - z) < 0.2 * deviation
        assert 0.7 < solution.uncertainty[name] / deviation < 1.4


class Loaded(Problem):
    """u'' = −c with one condition too many, which determines c = 2, and measurements with noise."""

    domain = Box(x=(0, 1))
    unknowns = {"c": 1.0}

    def __init__(self, noise=0.01, level=1.0):
        x = np.linspace(0.05, 0.95, 30)
        values = level * x * (1 - x) + noise * np.random.default_rng(0).standard_normal(30)
        self.seen = Data(x[:, None], values)

    def residual(self, u, x, c):
        return u.xx + c

    def conditions(self):
        return {"ends": Dirichlet(0), "slope": Condition(lambda u: u.x - 1, on="x-"), "seen": self.seen}


def test_an_exact_condition_determines_a_constant_better_than_noise_does():
    solution = solve(Loaded(), device="cpu")
    assert abs(solution.unknowns["c"] - 2) < 1e-4  # the noise alone leaves a deviation of 0.04


class Unseen(Problem):
    """u'' = −a and v'' = −b, with measurements of u alone."""

    domain = Box(x=(0, 1))
    fields = ("u", "v")

    def __init__(self, noise):
        self.noise, self.unknowns = noise, {"a": 1.0, "b": 1.0}

    def residual(self, u, v, x, a, b):
        return u.xx + a, v.xx + b

    def conditions(self):
        x = np.linspace(0.05, 0.95, 30)
        values = x * (1 - x) + self.noise * np.random.default_rng(0).standard_normal(30)
        ends = {name: Dirichlet(0, field=name) for name in self.fields}
        return {**ends, "seen": Data(x[:, None], values, field="u")}


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_a_constant_that_nothing_determines_has_an_infinite_deviation(noise):
    solution = solve(Unseen(noise), device="cpu")
    assert solution.uncertainty["b"] == np.inf and solution.uncertainty["a"] < 0.01
    assert "nothing determines the unknown b" in " ".join(solution.reasons)


class Weak(Loaded):
    """u'' = −c − q x with a q that the noise hides."""

    unknowns = {"c": 1.0, "q": 0.0}

    def residual(self, u, x, c, q):
        return u.xx + c + q * x

    def conditions(self):
        return {"ends": Dirichlet(0), "seen": self.seen}


def test_a_constant_that_noise_hides_is_called_open_and_its_interval_holds_the_truth():
    solution = solve(Weak(), device="cpu")
    q, deviation = solution.unknowns["q"], solution.uncertainty["q"]
    assert abs(q) < 3 * deviation < 3
    assert ("leave the unknown q open" in " ".join(solution.reasons)) == (deviation > abs(q))
    assert "nothing determines" not in " ".join(solution.reasons)
