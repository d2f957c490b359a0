"""u_t = D_x u_xx + D_y u_yy: heat in a laminate, with ten waves across and one along, which fade alike."""

from dataclasses import dataclass

import sympy as sp
import torch

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class HeatMultiscale(Problem):
    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))

    def residual(self, u, x, y, t):
        return u.t - u.xx / (20 * torch.pi) ** 2 - u.yy / torch.pi**2

    def conditions(self):
        return {"start": Initial("exact"), "sides": Dirichlet(0)}

    def exact(self, x, y, t):
        return sp.exp(-2 * t) * sp.sin(20 * sp.pi * x) * sp.sin(sp.pi * y)
