"""Small problems that march, each of another kind."""

from __future__ import annotations

import dataclasses

import numpy as np
import sympy as sp
import torch

from kanpde import Box, Data, Dirichlet, Initial, Problem
from kanpde.collocation.affine import is_affine
from kanpde.marching.attempts import begin
from kanpde.marching.march import March
from kanpde.marching.task import MarchTask


def task_of(problem, **more):
    affine = all(is_affine(block, problem) for block in problem.blocks())
    settings = {"degree": 9, "intervals": None, "most": 3000, "device": torch.device("cpu"), **more}
    return MarchTask(problem, affine=affine, **settings)


def march_of(problem, **more):
    task = task_of(problem, **more)
    return March(task, begin(task))


@dataclasses.dataclass(frozen=True)
class Front(Problem):
    """Burgers' travelling front: nonlinear, with boundary data from the solution."""

    domain = Box(x=(-1, 1), t=(0, 0.5))

    def residual(self, u):
        return u.t + u * u.x - 0.05 * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        return sp.Rational(1, 2) - sp.tanh(5 * (x - t / 2)) / 2


class String(Problem):
    """u_tt = u_xx with values and velocity at first, both by construction."""

    domain = Box(x=(0, 1), t=(0, 1.5))

    def residual(self, u):
        return u.tt - u.xx

    def conditions(self):
        x = sp.Symbol("x")
        return {
            "start": Initial(sp.sin(sp.pi * x), hard=True),
            "push": Initial(0, order=1, hard=True),
            "ends": Dirichlet(0, on="x"),
        }

    def exact(self, x, t):
        return sp.sin(sp.pi * x) * sp.cos(sp.pi * t)


class Warmth(Problem):
    """Heat on a square: one mode that decays."""

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 0.05))

    def residual(self, u, x, y, t):
        return u.t - u.xx - u.yy

    def conditions(self):
        return {"start": Initial("exact"), "sides": Dirichlet(0)}

    def exact(self, x, y, t):
        return sp.exp(-2 * sp.pi**2 * t) * sp.sin(sp.pi * x) * sp.sin(sp.pi * y)


class Bratu(Problem):
    """−u'' = e^u, u = 0 at the ends: nonlinear and steady; u = −2 log(cosh((x − ½) θ/2)/cosh(θ/4))."""

    domain = Box(x=(0, 1))

    def residual(self, u):
        return u.xx + torch.exp(u.d())

    def conditions(self):
        return {"ends": Dirichlet(0)}

    def exact(self, x):
        theta = sp.Float("1.5171645990507543685218444212962", 25)
        return -2 * sp.log(sp.cosh((x - sp.Rational(1, 2)) * theta / 2) / sp.cosh(theta / 4))


class Rate(Problem):
    """u' = −k u, k from measurements."""

    domain = Box(t=(0, 2))
    unknowns = {"k": 1.0}

    def residual(self, u, k):
        return u.t + k * u

    def conditions(self):
        t = np.linspace(0, 2, 9)[:, None]
        return {"start": Initial(1), "seen": Data(t, np.exp(-0.6 * t[:, 0]))}

    def exact(self, t):
        return sp.exp(-sp.Rational(3, 5) * t)
