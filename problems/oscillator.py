"""-u_xx + x^2 u = energy u: the ground state of the harmonic oscillator, whose energy is 1."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Integral, Problem


@dataclass(frozen=True)
class Oscillator(Problem):
    domain = Box(x=(-8, 8))
    unknowns = {"energy": 0.7}

    def residual(self, u, x, energy):
        return -u.xx + x**2 * u - energy * u

    def conditions(self):
        return {"far": Dirichlet("exact"), "size": Integral(1)}

    def exact(self, x):
        return sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
