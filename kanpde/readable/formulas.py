"""The SymPy expression of a network whose edges have names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import sympy as sp

from kanpde.calculus.expressions import symbols
from kanpde.errors import ConfigurationError
from kanpde.network.atom_functions import ATOMS
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer
from kanpde.readable.edges import Constants, atoms_of, pruned_of
from kanpde.readable.source import layers_of, network_of
from kanpde.readable.suggestions import suggest
from kanpde.solution import Solution


def as_sympy(
    source: KAN | Solution,
    names: Sequence[str] | None = None,
    tolerance: float = 1e-6,
    decimals: int | None = None,
) -> Any:
    """The network as a SymPy expression in the coordinates' symbols; of a system, a dict of them by field.

    Edges that are splines still are read as the atom nearest to them where that leaves at most `tolerance` of their
    spread. With `decimals` the expression is expanded and its constants are rounded. Of a network alone the coordinates
    have the given `names`, else x_1, x_2, …, and several outputs are a tuple.

    Raises ConfigurationError where an edge cannot be read, where the number of names is another than the network's, and
    for a solution with hard conditions, of which the network is only a part.
    """
    network = network_of(source)
    if isinstance(source, Solution):
        if source.model.ansatz is not None:
            raise ConfigurationError(
                "expected a solution without hard conditions, of which the network is only a part; read its .network"
            )
        names = source.problem.domain.names
    count = network.first.basis.inputs
    names = [f"x_{k + 1}" for k in range(count)] if names is None else list(names)
    if len(names) != count:
        raise ConfigurationError(f"expected {count} names of coordinates, got {', '.join(names)}")
    nodes: list[Any] = list(symbols(names))
    for position, layer in enumerate(layers_of(network)):
        nodes = outputs(source, position, layer, nodes, tolerance)
    if decimals is not None:
        nodes = [rounded(sp.expand(node), decimals) for node in nodes]
    if len(nodes) == 1:
        return nodes[0]
    return dict(zip(source.problem.fields, nodes, strict=True)) if isinstance(source, Solution) else tuple(nodes)


def formula(*arguments: Any, **options: Any) -> Any:
    """The former name of `as_sympy`, with the same arguments; it warns with a DeprecationWarning."""
    warnings.warn("kanpde.formula is now called kanpde.as_sympy; use that name", DeprecationWarning, stacklevel=2)
    return as_sympy(*arguments, **options)


def outputs(
    source: KAN | Solution, position: int, layer: KANLayer, nodes: Sequence[Any], tolerance: float
) -> list[Any]:
    """The expressions of a layer's nodes from those of its inputs."""
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
    """The atom that a spline edge is."""
    fits = suggest(source, layer, i, o)
    if not fits or fits[0].error > tolerance:
        nearest = f"{fits[0].name}, which leaves {fits[0].error:.1g} of its spread" if fits else "none"
        raise ConfigurationError(
            f"expected edges that are atoms, got a spline at ({layer}, {i}, {o}), the nearest atom to it {nearest}; "
            "read() or fix() it first, or prune()"
        )
    return fits[0].name, fits[0].constants


def atom_at(name: str, constants: Constants, node: Any) -> Any:
    """c f(a node + b) + d."""
    a, b, c, d = map(tidy, constants)
    return c * ATOMS[name].sympy(a * node + b) + d


def tidy(value: float) -> Any:
    """The number for SymPy, a whole one as such."""
    return sp.Integer(int(value)) if value == int(value) and abs(value) < 1e6 else sp.Float(value)


def rounded(expression: Any, decimals: int) -> Any:
    """The expression with its floating-point numbers rounded."""
    return expression.xreplace({one: tidy(round(float(one), decimals)) for one in expression.atoms(sp.Float)})
