"""Classic least-squares problems: residuals in torch, their starts and minima, and SciPy as the oracle.

Moré, Garbow and Hillstrom, "Testing unconstrained optimization software", ACM TOMS 7 (1981) 17.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import least_squares

from kanpde.optim.least_squares import Linearisation

F64 = torch.float64


class Function:
    """A residual written in torch as a least-squares problem; `keep` and `cut` say how its Jacobian is handed over."""

    def __init__(self, residual, start, *, keep=True, cut=None):
        self._residual, self.start = residual, torch.tensor(start, dtype=F64)
        self._keep, self._cut = keep, cut

    def residual(self, vector):
        return self._residual(vector)

    def jacobian(self, vector):
        return torch.func.jacrev(self._residual)(vector)

    def linearise(self, vector):
        pair = (self.jacobian(vector), self._residual(vector))
        if self._keep:
            return Linearisation.whole(*pair)
        pieces = [torch.split(part, self._cut or len(pair[1])) for part in pair]
        return Linearisation.streamed(lambda: zip(*pieces, strict=True), len(vector))

    def chunks_of_rows(self, vector):
        return zip(*(torch.split(part, 3) for part in (self.jacobian(vector), self._residual(vector))), strict=True)

    def gradient(self, vector):
        leaf = vector.clone().requires_grad_()
        loss = self._residual(leaf).square().sum()
        return float(loss.detach()), torch.autograd.grad(loss, leaf)[0]

    def loss(self, vector):
        return float(self._residual(vector).square().sum())

    def oracle(self):
        """SciPy's minimiser and its loss."""
        found = least_squares(
            lambda x: self._residual(torch.as_tensor(x)).numpy(),
            self.start.numpy(),
            jac=lambda x: self.jacobian(torch.as_tensor(x)).numpy(),
            method="lm",
            ftol=1e-15,
            xtol=1e-15,
            gtol=1e-15,
            max_nfev=10_000,
        )
        return found.x, 2 * found.cost


MATRIX = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 5)))
RIGHT = torch.from_numpy(np.random.default_rng(1).normal(size=20))
TERMS = torch.arange(1, 11, dtype=F64)
TEMPERATURES = 45 + 5 * torch.arange(1, 17, dtype=F64)
RESISTANCES = torch.tensor(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872], dtype=F64
)
RATES = torch.tensor([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625], dtype=F64)
YIELDS = torch.tensor(
    [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246], dtype=F64
)


def rosenbrock(x):
    return torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def powell(x):
    """The Jacobian is singular at the solution, the origin."""
    a, b, c, d = x
    return torch.stack([a + 10 * b, math.sqrt(5) * (c - d), (b - 2 * c) ** 2, math.sqrt(10) * (a - d) ** 2])


def jennrich_sampson(x):
    """The residual is far from zero at the solution."""
    return 2 + 2 * TERMS - torch.exp(TERMS * x[0]) - torch.exp(TERMS * x[1])


def meyer(x):
    """Parameters of sizes from 1e-3 to 1e4, and a bad start."""
    return x[0] * torch.exp(x[1] / (TEMPERATURES + x[2])) - RESISTANCES


def kowalik_osborne(x):
    return YIELDS - x[0] * (RATES**2 + RATES * x[1]) / (RATES**2 + RATES * x[2] + x[3])


def linear(x):
    return MATRIX @ x - RIGHT


def beale(x):
    return torch.stack([y - x[0] * (1 - x[1] ** n) for n, y in ((1, 1.5), (2, 2.25), (3, 2.625))])


def brown_badly_scaled(x):
    """The solution is (1e6, 2e-6)."""
    return torch.stack([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def wood(x):
    a, b, c, d = x
    two = [math.sqrt(10) * (b + d - 2), (b - d) / math.sqrt(10)]
    return torch.stack([10 * (b - a**2), 1 - a, math.sqrt(90) * (d - c**2), 1 - c, *two])


def helical_valley(x):
    angle = torch.atan2(x[1], x[0]) / (2 * math.pi)
    return torch.stack([10 * (x[2] - 10 * angle), 10 * (torch.hypot(x[0], x[1]) - 1), x[2]])


def broyden_tridiagonal(x):
    outer = torch.zeros(1, dtype=x.dtype)
    padded = torch.cat([outer, x, outer])
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


CLASSICS = {
    "linear": Function(linear, [0.0] * 5),
    "rosenbrock": Function(rosenbrock, [-1.2, 1.0]),
    "powell": Function(powell, [3.0, -1.0, 0.0, 1.0]),
    "jennrich_sampson": Function(jennrich_sampson, [0.3, 0.4]),
    "meyer": Function(meyer, [0.02, 4000.0, 250.0]),
    "kowalik_osborne": Function(kowalik_osborne, [0.25, 0.39, 0.415, 0.39]),
    "beale": Function(beale, [1.0, 1.0]),
    "brown_badly_scaled": Function(brown_badly_scaled, [1.0, 1.0]),
    "wood": Function(wood, [-3.0, -1.0, -3.0, -1.0]),
    "helical_valley": Function(helical_valley, [-1.0, 0.0, 0.0]),
    "broyden_tridiagonal": Function(broyden_tridiagonal, [-1.0] * 12),
}
MINIMA = {
    "rosenbrock": 0.0,
    "powell": 0.0,
    "jennrich_sampson": 124.362,
    "meyer": 87.9458,
    "kowalik_osborne": 3.07505e-4,
    "beale": 0.0,
    "brown_badly_scaled": 0.0,
    "wood": 0.0,
    "helical_valley": 0.0,
    "broyden_tridiagonal": 0.0,
}


def minimise(method, problem, steps, vector=None):
    """Every step of a method, at most so many; Gauss–Newton's end with the first that gains nothing."""
    vector = problem.start if vector is None else vector
    taken = []
    for _ in range(steps):
        taken.append(method.step(problem, vector))
        vector = taken[-1].vector
        if not taken[-1].accepted:
            break
    return taken
