"""The maximum principle's bound holds, is not far above the error, and is not claimed where there is none."""

from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Initial, Neumann, Problem, load_problem
from kanpde.calculus.expressions import numpy_function, symbols
from kanpde.symbolic.proof.intervals import largest
from kanpde.symbolic.proof.maximum_principle import error_bound

x, y, t = symbols("xyt")
pi = sp.pi


@dataclass(frozen=True)
class Drum(Problem):
    """-u_xx - u_yy + c u = 1: of c = 0 the solution is a series."""

    reaction: float = 0.0
    sign: int = 1
    drift: float = 0.0

    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u, x, y):
        row = -u.xx - u.yy + self.reaction * u + self.drift * u.x - torch.ones_like(x)
        return self.sign * row

    def conditions(self):
        return {"edge": Dirichlet(0)}


def drum_at_the_middle():
    terms = [(m, n) for m in range(1, 400, 2) for n in range(1, 400, 2)]
    return sum(16 / (np.pi**4 * m * n * (m**2 + n**2)) * (-1) ** ((m + n) // 2 - 1) for m, n in terms)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_bound_holds_and_is_of_use(sign):
    approximation = sp.Float(0.0736) * 16 * x * (1 - x) * y * (1 - y)
    bound = error_bound(Drum(sign=sign), (approximation,))
    error = abs(drum_at_the_middle() - 0.0736)
    # The residual is largest in the corners, where it is 1 whatever vanishes on the boundary.
    assert error < 1 / 8 <= bound <= 1.1 / 8


def test_the_bound_of_a_heated_rod():
    rod = load_problem("heat", diffusivity=0.3)
    wrong = sp.exp(-sp.Float(2.9) * t) * sp.sin(pi * x) + sp.Float(0.01)
    xs, ts = np.linspace(0, 1, 101)[:, None], np.linspace(0, 1, 101)
    difference = numpy_function(wrong - rod.exact_functions()[0], "xt")(xs, ts)
    bound = error_bound(rod, (wrong,))
    assert np.abs(difference).max() <= bound < 5 * np.abs(difference).max()
    assert error_bound(rod, rod.exact_functions()) == pytest.approx(0, abs=1e-12)


class Insulated(Drum):
    def conditions(self):
        return {"edge": Dirichlet(0, on=["x", "y-"]), "top": Neumann(0, on="y+")}


class Resonant(Problem):
    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u):
        return u.t - u.xx - u**3

    def conditions(self):
        return {"start": Initial(0), "ends": Dirichlet(0, on="x")}


@pytest.mark.parametrize(
    "problem", [load_problem("wave"), load_problem("burgers"), load_problem("advection"),
                Drum(reaction=-30.0), Insulated(), Resonant()],
)  # fmt: skip
def test_there_is_no_bound_without_a_maximum_principle(problem):
    assert error_bound(problem, (sp.Float(0.1) * x,)) is None


def test_the_largest_value_is_bounded_closely():
    boxes = {x: (0.0, 1.0), y: (-1.0, 1.0)}
    for expression in (sp.sin(3 * x) * sp.cos(2 * y), x**2 - y, 1 / (1 + x + y**2), sp.exp(x * y) - 2, sp.Float(-3)):
        points = np.random.default_rng(0).uniform([0, -1], [1, 1], (20000, 2)).T
        sampled = np.abs(numpy_function(expression, "xy")(*points)).max()
        assert sampled <= largest(expression, boxes) < 1.12 * sampled + 1e-3
    assert largest(sp.besselj(0, x), boxes) == np.inf
