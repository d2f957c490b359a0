"""-(sum of u_ii over 5 coordinates) = sum of cos(x_i): Poisson's equation in 5 dimensions."""

from dataclasses import dataclass

import sympy as sp
import torch

from kanpde import Box, Dirichlet, Problem

NAMES = [f"x{k}" for k in range(1, 6)]


@dataclass(frozen=True)
class Poisson5D(Problem):
    domain = Box(**dict.fromkeys(NAMES, (0, 1)))

    def residual(self, u, x1, x2, x3, x4, x5):
        every = (x1, x2, x3, x4, x5)
        return sum(u.d(name, name) + torch.cos(x) for name, x in zip(NAMES, every, strict=True))

    def conditions(self):
        return {"boundary": Dirichlet("exact")}

    def exact(self, x1, x2, x3, x4, x5):
        return sum(sp.cos(x) for x in (x1, x2, x3, x4, x5))
