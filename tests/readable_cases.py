"""Problems and networks that the tests of readable networks share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy as sp
import torch

from kanpde import KAN, Box, Dirichlet, Problem, solve

UNIT = Box(x=(0, 1), y=(0, 1))


@dataclass(frozen=True)
class Flat(Problem):
    """u_xx + u_yy = −π² sin πx on the unit square, whose solution sin πx knows nothing of y."""

    domain = UNIT

    def residual(self, u, x, y):
        return u.xx + u.yy + torch.pi**2 * torch.sin(torch.pi * x)

    def conditions(self):
        return {"walls": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.sin(sp.pi * x)


@cache
def flat_solution():
    """It, solved by two sums and a product where one sum would do."""
    return solved(KAN(width=[(2, 1)], degree=6, intervals=[4, 3]), 25)


@cache
def additive_solution():
    """It, solved by a spline for each coordinate."""
    return solved(KAN(width=[], degree=7, intervals=6), 5)


def solved(network, iterations, seed=0):
    return solve(
        Flat(),
        network,
        device="cpu",
        seed=seed,
        sampling={"interior": 300, "boundary": 64},
        training={"max_parameters": 0, "stages": [{"optimiser": "gauss_newton", "iterations": iterations}]},
    )


def points_in(box, count=200):
    """Points of a box at random."""
    unit = torch.rand(count, box.dimension, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return torch.as_tensor(box.interior(unit.numpy()))


def random_network(width, low=(0.0, 0.0), high=(1.0, 1.0), outputs=1, intervals=4):
    """A network at its random start."""
    return KAN(width=width, degree=5, intervals=intervals).build(list(low), list(high), outputs, seed=5)


def live_edges(network):
    """How many edges are there and have not been pruned."""
    held = (0 if layer.fixed is None else len(layer.fixed.pruned) for layer in network.layers)
    return sum(layer.basis.inputs * layer.subnodes for layer in network.layers) - sum(held)
