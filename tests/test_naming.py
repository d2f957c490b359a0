"""Edges that can only be named together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from readable_cases import UNIT

from kanpde import KAN, Problem, as_sympy, solve
from kanpde.readable.naming import spline_edges, together
from kanpde.readable.refitting import FixedRows
from kanpde.readable.source import renewed


@dataclass(frozen=True)
class Pairs(Problem):
    """u = sin 6x sin 6y² + sin 11x cos 9y."""

    domain = UNIT

    def residual(self, u, x, y):
        return u - torch.sin(6 * x) * torch.sin(6 * y**2) - torch.sin(11 * x) * torch.cos(9 * y)

    def conditions(self):
        return {}


def mixed_pairs(angle):
    """It as Σ (f + g)² / 4 − (f − g)² / 4, with the two nodes of either sign turned into each other by an angle."""
    x = np.linspace(0, 1, 400)
    f, g = np.stack([np.sin(6 * x), np.sin(11 * x)]), np.stack([np.sin(6 * x**2), np.cos(9 * x)])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    network = KAN(width=[4], degree=7, intervals=24).build([0, 0], [1, 1], 1)
    first, second = network.layers
    with torch.no_grad():
        for i, curves in enumerate((np.concatenate([f, f]), np.concatenate([g, -g]))):
            turned = np.concatenate([turn @ curves[:2], turn @ curves[2:]])
            first.coefficients[i] = torch.as_tensor(first.basis.fit(i, x, turned.T))
        for i, sign in enumerate((1, 1, -1, -1)):
            second.basis.regrid(i, -3, 3, 0)
            wide = np.linspace(-3, 3, 400)
            second.coefficients[i] = torch.as_tensor(second.basis.fit(i, wide, (sign * wide**2 / 4)[:, None]))
    return network


def test_all_edges_of_mixed_pairs_of_nodes_are_named_at_once():
    untrained = solve(
        Pairs(),
        KAN(width=[4], degree=7, intervals=24),
        device="cpu",
        sampling={"interior": 400},
        training={"max_parameters": 0, "stages": [{"optimiser": "gauss_newton", "iterations": 1}]},
    )
    mixed = renewed(untrained, mixed_pairs(0.15))
    rows = FixedRows(mixed)
    assert rows.start < 1e-16
    named = together(rows, mixed, ["x", "x^2", "sin", "sin(x^2)"], 1e-20)
    assert named is not None and not spline_edges(named.network)
    named, loss = rows.refitted(named, 20)
    assert loss < 1e-24
    x, y = sp.symbols("x y", real=True)
    found = sp.lambdify((x, y), as_sympy(named))
    assert abs(found(0.3, 0.7) - (np.sin(1.8) * np.sin(2.94) + np.sin(3.3) * np.cos(6.3))) < 1e-11
