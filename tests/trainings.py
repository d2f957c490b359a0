"""Small problems, networks and trainings, and a callback that watches them."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
import torch

from kanpde import KAN, files, solve
from kanpde.geometry.box import Box
from kanpde.problem.conditions import Dirichlet, Initial
from kanpde.problem.problem import Problem

POINTS = {"interior": 400, "boundary": 64}


@dataclass(frozen=True)
class Rod(Problem):
    """u_t = D u_xx, with conditions that hold by construction where `hard`."""

    diffusivity: float = 0.3
    hard: bool = False

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u):
        return u.t - self.diffusivity * u.xx

    def conditions(self):
        start = sp.sin(sp.pi * sp.Symbol("x"))
        return {"start": Initial(start, hard=self.hard), "ends": Dirichlet(0, on="x", hard=self.hard)}

    def exact(self, x, t):
        return sp.exp(-self.diffusivity * sp.pi**2 * t) * sp.sin(sp.pi * x)


class Beam(Problem):
    """u'' = u with its values at both ends."""

    domain = Box(x=(-1, 2))

    def residual(self, u, x):
        return u.xx - u + 10 * torch.sin(3 * x)

    def conditions(self):
        return {"ends": Dirichlet("exact")}

    def exact(self, x):
        return sp.sin(3 * x)


class Pendulum(Problem):
    """A nonlinear one: u'' = −u³ has no closed form here, and none is needed."""

    domain = Box(t=(0, 2))

    def residual(self, u):
        return u.tt + u**3

    def conditions(self):
        return {"start": Initial(1), "push": Initial(0, order=1)}


def small(**options):
    return KAN(**{"width": [(0, 2)], "degree": 7, "intervals": [6, 2], **options})


def steps(count, optimiser="gauss_newton", **more):
    return {"optimiser": optimiser, "iterations": count, **more}


def run(problem, count=25, network=None, *, stages=None, sampling=None, seed=0, dtype="float64", callbacks=(), **more):
    """A training of so many Gauss–Newton steps on the processor."""
    return solve(
        problem,
        network or small(),
        seed=seed,
        device="cpu",
        dtype=dtype,
        training={"stages": stages or [steps(count)], **more},
        sampling=sampling or POINTS,
        callbacks=callbacks,
    )


class Watcher:
    """A callback that notes what happens, keeps a checkpoint at the end, and presses Ctrl-C where it is told to.

    After the iterations in `refine_after` it asks for finer knots.
    """

    def __init__(self, path=None, interrupt_after=None, refine_after=()):
        self.path, self.interrupt_after, self.refine_after = path, interrupt_after, refine_after
        self.calls, self.records, self.points = [], [], []

    def on_start(self, trainer):
        self.trainer = trainer
        self.calls.append("start")

    def on_iteration(self, record):
        self.calls.append("iteration")
        self.records.append(dict(record))
        self.points.append(self.trainer.phase.residuals.parts[0].points)
        if record["iteration"] in self.refine_after:
            self.trainer.phase.refine()
        if record["iteration"] == self.interrupt_after:
            raise KeyboardInterrupt

    def on_checkpoint(self, trainer):
        self.calls.append("checkpoint")

    def on_end(self, trainer):
        self.calls.append("end")
        if self.path is not None:
            files.write(self.path, *trainer.state())

    @property
    def exchanges(self):
        """The numbers of the iterations before which interior points were exchanged."""
        pairs = zip(self.points, self.points[1:], strict=False)
        return [n for n, (a, b) in enumerate(pairs, start=1) if a.shape != b.shape or not torch.equal(a, b)]


def vector(solution):
    return solution.model.vector
