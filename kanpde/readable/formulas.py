"""The SymPy expression of a network whose edges have names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import symbols
from kanpde.calculus.functions import ATOMS
from kanpde.errors import ConfigurationError
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer
from kanpde.problem.evolving_part import EvolvingPart
from kanpde.problem.lift import Ansatz, SingularPart, Standard
from kanpde.readable.edges import Constants, atoms_of, pruned_of
from kanpde.readable.source import layers_of, network_of
from kanpde.readable.suggestions import suggest
from kanpde.solution import Solution

SAMPLE = 41  # points at which terms are seen to cancel
CANCELLED = 1e-9  # spread of what cancelling terms leave, relative to the largest


def as_sympy(
    source: KAN | Solution,
    names: Sequence[str] | None = None,
    tolerance: float = 1e-6,
    decimals: int | None = None,
) -> Any:
    """Return the network as a SymPy expression in the coordinates' symbols; for a system, a dict of them by field.

    A spline edge becomes its nearest atom if the error is at most `tolerance` times the edge's spread. With `decimals`
    the expression is expanded, terms that cancel each other are left out, and its constants are rounded. The
    coordinates of a network without a solution have the given `names`, else x_1, x_2, …, and its several outputs are a
    tuple.

    Raises ConfigurationError if an edge is near no atom, if the number of names is not the network's, or if the
    solution has hard conditions or singular functions, because then the network is only a part of it.
    """
    network = network_of(source)
    if isinstance(source, Solution):
        if isinstance(source.model.ansatz, Ansatz | SingularPart | EvolvingPart):
            raise ConfigurationError(
                "expected a solution without hard conditions and without singular functions at corners, of which the "
                "network is only a part; read its .network"
            )
        names = source.problem.domain.names
    count = network.first.basis.inputs
    names = [f"x_{k + 1}" for k in range(count)] if names is None else list(names)
    if len(names) != count:
        raise ConfigurationError(f"expected {count} names of coordinates, got {', '.join(names)}")
    nodes: list[Any] = list(symbols(names))
    for position, layer in enumerate(layers_of(network)):
        nodes = outputs(source, position, layer, nodes, tolerance)
    if isinstance(source, Solution) and isinstance(source.model.ansatz, Standard):
        mean, deviation = source.model.ansatz.mean, source.model.ansatz.deviation
        nodes = [tidy(float(m)) + tidy(float(s)) * node for m, s, node in zip(mean, deviation, nodes, strict=True)]
    if decimals is not None:
        coordinates, (low, high) = symbols(names), (end.cpu().numpy() for end in network.first.basis.range())
        points = low + (high - low) * np.random.default_rng(0).random((SAMPLE, count))
        nodes = [rounded(without_cancelled(sp.expand(node), coordinates, points), decimals) for node in nodes]
    if len(nodes) == 1:
        return nodes[0]
    return dict(zip(source.problem.fields, nodes, strict=True)) if isinstance(source, Solution) else tuple(nodes)


def formula(*arguments: Any, **options: Any) -> Any:
    """Call `as_sympy` by its former name, with the same arguments, and issue a DeprecationWarning."""
    warnings.warn("kanpde.formula is now called kanpde.as_sympy; use that name", DeprecationWarning, stacklevel=2)
    return as_sympy(*arguments, **options)


def outputs(
    source: KAN | Solution, position: int, layer: KANLayer, nodes: Sequence[Any], tolerance: float
) -> list[Any]:
    """Return the expressions of a layer's nodes from the expressions of its inputs."""
    atoms, pruned = atoms_of(layer), pruned_of(layer)
    subnodes = []
    for o in range(layer.subnodes):
        terms = []
        for i, node in enumerate(nodes):
            if (i, o) in pruned:
                continue
            name, constants = atoms.get((i, o)) or recognised(source, position, i, o, tolerance)
            terms.append(atom_at(name, constants, node))
        subnodes.append(sp.Add(*terms))
    factors = subnodes[layer.sums :]
    return subnodes[: layer.sums] + [a * b for a, b in zip(factors[0::2], factors[1::2], strict=True)]


def recognised(source: KAN | Solution, layer: int, i: int, o: int, tolerance: float) -> tuple[str, Constants]:
    """Return the atom nearest to a spline edge; raise ConfigurationError if the error exceeds the tolerance."""
    fits = suggest(source, layer, i, o)
    if not fits or fits[0].error > tolerance:
        nearest = f"{fits[0].name}, which leaves {fits[0].error:.1g} of its spread" if fits else "none"
        raise ConfigurationError(
            f"expected edges that are atoms, got a spline at ({layer}, {i}, {o}), the nearest atom to it {nearest}; "
            "read() or fix() it first, or prune()"
        )
    return fits[0].name, fits[0].constants


def atom_at(name: str, constants: Constants, node: Any) -> Any:
    """Return c f(a node + b) + d."""
    a, b, c, d = map(tidy, constants)
    return c * ATOMS[name].sympy(a * node + b) + d


def tidy(value: float) -> Any:
    """Return the number for SymPy, an integer if it is whole."""
    return sp.Integer(int(value)) if value == int(value) and abs(value) < 1e6 else sp.Float(value)


def without_cancelled(expression: Any, coordinates: Sequence[Any], points: Array) -> Any:
    """Return a sum without the terms of the same coordinates that cancel each other at `points` (n, d).

    A product that a network makes of squares leaves such terms: sin² x + ½ cos 2x − ½. What they leave in all is a
    constant.
    """
    groups: dict[frozenset[Any], list[Any]] = {}
    for term in sp.Add.make_args(expression):
        groups.setdefault(frozenset(term.free_symbols), []).append(term)
    kept = list(groups.pop(frozenset(), []))
    with np.errstate(all="ignore"):
        for terms in groups.values():
            values = [np.broadcast_to(sp.lambdify(coordinates, t, "numpy")(*points.T), len(points)) for t in terms]
            total, largest = np.sum(values, axis=0), np.max(np.abs(values))
            cancels = len(terms) > 1 and np.ptp(total) <= CANCELLED * largest
            kept += [sp.Float(float(np.mean(total)))] if cancels else terms
    return sp.Add(*kept)


def rounded(expression: Any, decimals: int) -> Any:
    """Return the expression with its floating-point numbers rounded."""
    return expression.xreplace({one: tidy(round(float(one), decimals)) for one in expression.atoms(sp.Float)})
