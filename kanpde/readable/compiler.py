"""Compile a SymPy expression into a network that evaluates to it, and that can be trained further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus import splines
from kanpde.calculus.expressions import numpy_function, real_expression, symbols
from kanpde.collocation.sampling import unit_points
from kanpde.errors import ProblemError
from kanpde.geometry.box import Box
from kanpde.geometry.domain import Domain
from kanpde.network.bspline import BSpline
from kanpde.network.edge_basis import EdgeBasis
from kanpde.network.grids import padded
from kanpde.network.kan import DEGREE, KAN
from kanpde.network.layer import KANLayer
from kanpde.readable.edges import Atoms, hold
from kanpde.readable.terms import ARGUMENT, Grammar, Term

SAMPLE = 2048  # points that determine the range of every node
STATIONS = 20  # points per interval of a fitted spline


def formula_to_kan(
    expression: Any,
    domain: Domain | Mapping[str, tuple[float, float]],
    degree: int = DEGREE,
    intervals: int = 20,
) -> KAN:
    """Return a network equal to the expression on a domain: sums, product nodes, and edges that are atoms.

    A list of expressions gives several outputs. Functions of one variable without an atom become splines of the
    `degree` with `intervals` intervals; everything else is exact. The constants are parameters, and the network can be
    the start of ``solve(problem, network=...)``.

    Raises ProblemError if an expression has symbols other than the domain's coordinates, is not real and finite on the
    domain, or has functions of several variables that are neither sums nor products.
    """
    box = Box(**domain) if isinstance(domain, Mapping) else domain
    given = list(expression) if isinstance(expression, (list, tuple)) else [expression]
    outputs = [real_expression(one, box.names) for one in given]
    unit = unit_points(SAMPLE, box.dimension, "sobol", np.random.default_rng(0))
    points = torch.as_tensor(box.interior(unit))
    for one in outputs:
        if not np.isfinite(numpy_function(one, box.names)(*points.numpy().T)).all():
            raise ProblemError(f"expected an expression that is finite on {box}, got {one}; change the domain")
    plan = planned(Grammar(symbols(box.names), tuple(points.numpy().T)), outputs)
    network = KAN([(sums, (len(rows) - sums) // 2) for rows, sums, _ in plan[:-1]], degree, intervals)
    network.layers = torch.nn.ModuleList()
    values, low, high = points, box.low, box.high
    known: list[Any] = list(symbols(box.names))
    for rows, sums, nodes in plan:
        layer = built(rows, sums, known, (low, high), (degree, intervals), values)
        network.layers.append(layer)
        with torch.no_grad():
            values = layer(values)
        low, high = padded(values)
        known = nodes
    return network


Plan = tuple[list[list[Term]], int, list[Any]]  # the subnodes, the number of sums among them, their nodes


def planned(grammar: Grammar, outputs: Sequence[Any]) -> list[Plan]:
    """Return the plans of the layers, the first to the last."""
    last = [grammar.sum(one) for one in outputs]
    depth = 1 + grammar.height(last)
    plan: list[Plan] = [(last, len(last), list(outputs))]
    for level in range(depth - 1, 0, -1):
        wanted = dict.fromkeys(term.argument for terms in plan[0][0] for term in terms)
        new = {node: grammar.level(node) == level for node in wanted}
        products = [node for node in wanted if new[node] and grammar.factors(node) is not None]
        sums = [node for node in wanted if node not in products]
        rows = [grammar.sum(node) if new[node] else [Term("x", node)] for node in sums]
        rows += [terms for node in products for terms in grammar.subnodes(node)]
        plan.insert(0, (rows, len(sums), [*sums, *products]))
    return plan


def built(
    rows: Sequence[Sequence[Term]],
    sums: int,
    known: Sequence[Any],
    grid: tuple[Any, Any],
    sizes: tuple[int, int],
    values: Tensor,
) -> KANLayer:
    """Return a layer from nodes `known` with `values` (n, i); its edges are the terms, and all others are pruned."""
    degree, intervals = sizes
    splined = any(not isinstance(term.function, str) for terms in rows for term in terms)
    knots = splines.uniform_knots(*grid, intervals if splined else 1, degree)
    layer = KANLayer(BSpline(knots, degree), sums, (len(rows) - sums) // 2)
    atoms: Atoms = {}
    free = set()
    for o, terms in enumerate(rows):
        for term in terms:
            i = known.index(term.argument)
            if isinstance(term.function, str):
                atoms[i, o] = (term.function, term.constants)
            else:
                free.add((i, o))
                with torch.no_grad():
                    layer.coefficients[i, :, o] = spline(layer.basis, i, term, values[:, i])
    everywhere = {(i, o) for i in range(len(known)) for o in range(len(rows))}
    hold(layer, atoms, everywhere - set(atoms) - free)
    return layer


def spline(basis: EdgeBasis, i: int, term: Term, values: Tensor) -> Tensor:
    """Return the coefficients of the spline nearest to a term over the range of its node's values."""
    x = np.linspace(float(values.min()), float(values.max()), STATIONS * basis.intervals)
    a, b, c, d = term.constants
    y = c * numpy_function(term.function, [str(ARGUMENT)])(a * x + b) + d
    return torch.as_tensor(basis.fit(i, x, y[:, None])[:, 0])
