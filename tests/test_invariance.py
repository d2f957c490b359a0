"""A solve does not depend on the user's units: x → a x + b, t → c t + d and u → e u change its numbers alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Data, Dirichlet, Initial, Problem, solve


@dataclass(frozen=True)
class Heat(Problem):
    """u_t = D u_xx from two sines, written in units of length a, of time c and of the field e, with origins b and d."""

    a: float = 1.0
    b: float = 0.0
    c: float = 1.0
    d: float = 0.0
    e: float = 1.0

    @property
    def domain(self):
        return Box(x=(self.b, self.b + self.a), t=(self.d, self.d + self.c))

    def residual(self, u):
        return u.t - 0.1 * self.a**2 / self.c * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        x, t = (x - self.b) / self.a, (t - self.d) / self.c
        first, second = (sp.exp(-(k**2) * sp.pi**2 * t / 10) * sp.sin(k * sp.pi * x) for k in (1, 2))
        return self.e * (first + second / 2)


class Burgers(Heat):
    """u_t + u u_x = ν u_xx with a front that runs through the domain, in such units."""

    def residual(self, u):
        return u.t + self.a / (self.c * self.e) * u * u.x - 0.2 * self.a**2 / self.c * u.xx

    def exact(self, x, t):
        x, t = (x - self.b) / self.a, (t - self.d) / self.c
        return self.e * (1 - sp.tanh(sp.Rational(5, 4) * (x - sp.Rational(1, 4) - t / 2))) / 2


UNITS = {
    "long": {"a": 1e20},
    "short": {"a": 1e-20},
    "slow": {"c": 1e20},
    "fast": {"c": 1e-20},
    "large": {"e": 1e20},
    "small": {"e": 1e-20},
    "elsewhere": {"b": 3.0},
    "earlier": {"d": -2.0},
    "all": {"a": 1e20, "b": -5e19, "c": 1e-20, "d": 1e-20, "e": 1e-20},
}


def march(problem):
    """Values at the same places whatever the units, and the solution."""
    solution = solve(problem, device="cpu", training={"target": 1e-4})
    x, t = np.linspace(0, 1, 21), np.linspace(0, 1, 11)[:, None]
    return solution(x=problem.b + problem.a * x, t=problem.d + problem.c * t) / problem.e, solution


@pytest.fixture(scope="module")
def plain():
    """Both problems in units of one."""
    return {kind: march(kind()) for kind in (Heat, Burgers)}


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("kind", [Heat, Burgers])
def test_a_march_does_not_depend_on_the_users_units(plain, kind, units):
    expected, before = plain[kind]
    found, after = march(kind(**UNITS[units]))
    # Both are right to 1e-4 or better; they differ by round-off times the condition of the least-squares problem.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)
    assert after.record["iterations"] == before.record["iterations"]
    assert after.network.width == before.network.width
    assert after.errors()["relative_l2"] == pytest.approx(before.errors()["relative_l2"], rel=1e-4)


@dataclass(frozen=True)
class Membrane(Problem):
    """Δu = u³ + f in units of length a and of the field e; its start is zero, and f outweighs fields of size one."""

    a: float = 1.0
    e: float = 1.0

    @property
    def domain(self):
        return Box(x=(0, self.a), y=(self.a, 2 * self.a))

    def residual(self, u, x, y):
        value = torch.sin((2 * x + y) / self.a)
        return u.xx + u.yy - u**3 / (self.a * self.e) ** 2 + (5 * value + value**3) * self.e / self.a**2

    def conditions(self):
        return {"rim": Dirichlet("exact")}

    def exact(self, x, y):
        return self.e * sp.sin((2 * x + y) / self.a)


@pytest.mark.parametrize(("a", "e"), [(1e-15, 1e14), (1e20, 1e-20), (1e-20, 1e20), (1e18, 1e18)])
def test_neither_does_a_steady_one(a, e):
    solution = solve(Membrane(a, e), device="cpu")
    assert solution.errors()["relative_l2"] < 1e-12
    assert solution.verdict == "solved"


@dataclass(frozen=True)
class Cooling(Problem):
    """u_t = k u_xx with k from noisy measurements, in units of length a, of time c and of the field e."""

    a: float = 1.0
    c: float = 1.0
    e: float = 1.0

    @property
    def domain(self):
        return Box(x=(0, self.a), t=(0, self.c))

    @property
    def unknowns(self):
        return {"k": 0.3 * self.a**2 / self.c}

    def residual(self, u, k):
        return u.t - k * u.xx

    def conditions(self):
        random = np.random.default_rng(0)
        x, t, noise = *random.random((2, 60)), random.standard_normal(60)
        values = np.exp(-0.1 * np.pi**2 * t) * np.sin(np.pi * x) + 1e-3 * noise
        data = Data(np.stack([self.a * x, self.c * t], axis=1), self.e * values)
        return {"start": Initial("exact"), "ends": Dirichlet(0, on="x"), "seen": data}

    def exact(self, x, t):
        return self.e * sp.exp(-(sp.pi**2) * t / (10 * self.c)) * sp.sin(sp.pi * x / self.a)


def test_neither_do_an_unknown_and_its_uncertainty():
    def found(problem):
        solution, unit = solve(problem, device="cpu"), problem.a**2 / problem.c
        return solution.unknowns["k"] / unit, solution.uncertainty["k"] / unit, solution.error_estimate

    plain, other = found(Cooling()), found(Cooling(5e-12, 1e-19, 8e8))
    np.testing.assert_allclose(other, plain, rtol=1e-3)
    assert abs(plain[0] - 0.1) < 3 * plain[1]
