"""Edges named by atoms: one by hand, or all that can be, each with a refit and a way back."""

from __future__ import annotations

import time
from collections.abc import Iterable

from kanpde.errors import ConfigurationError, number
from kanpde.network.kan import KAN
from kanpde.readable.edges import atoms_of, name_edge, pruned_of, spline_edge
from kanpde.readable.gauge import passing, straightened
from kanpde.readable.pruning import prune
from kanpde.readable.refitting import FixedRows
from kanpde.readable.source import Source, check_edge, copied, layers_of, renewed
from kanpde.readable.suggestions import Suggestion, checked, edge_curve, fitted, suggest
from kanpde.solution import Solution

Place = tuple[int, int, int]  # layer, input, subnode
TRIES = 3  # atoms that are tried on an edge
STEPS = 20  # of the refit after each
NEGLIGIBLE = 1e-6  # the importance of edges that are not worth a name
FAR = 0.3  # the largest error, relative to the edge's spread, of an atom that is tried


def fix(source: Source, layer: int, i: int, o: int, name: str) -> Source:
    """The same with the edge from node i to subnode o of a layer made an atom, fitted to what the edge was.

    Its constants are parameters like any other from then on. Nothing else is fitted again: see `refit`.

    Raises ConfigurationError for an edge or an atom that there is not, an atom that is not smooth on all of the edge,
    and an edge from a periodic coordinate, whose period an atom would not keep.
    """
    checked([name])
    network = copied(source)
    holder = check_edge(network, layer, i, o)
    if holder.basis.periodic[i]:
        raise ConfigurationError("expected an edge from a coordinate that is not periodic; leave this one a spline")
    found = fitted(name, *edge_curve(source, layer, i, o))
    if found is None:
        raise ConfigurationError(f"expected an atom that is smooth all along edge ({layer}, {i}, {o}), got {name!r}")
    name_edge(holder, (i, o), name, found.constants)
    return renewed(source, network)


def unfix(source: Source, layer: int, i: int, o: int) -> Source:
    """The same with an edge that is an atom, or was pruned, made a spline again, the one nearest to what it is.

    Raises ConfigurationError for an edge that there is not.
    """
    network = copied(source)
    spline_edge(check_edge(network, layer, i, o), (i, o))
    return renewed(source, network)


def read(
    solution: Solution,
    factor: float = 10.0,
    tolerance: float = 1e-6,
    atoms: Iterable[str] | None = None,
    budget_seconds: float = 60.0,
) -> Solution:
    """The solution with as many edges named as its loss allows; the network is read best after `prune`.

    First edges that hardly matter go, and nodes that only pass on one edge are made to pass on its input. Then, edge by
    edge, the clearest first, the likeliest atoms are put in place and everything is refitted. A change is taken back
    where the loss is then more than `factor` times what it was at first and more than `tolerance`² (the root of the
    loss estimates the relative error). `atoms` names those to be tried, all unless given. What has not been tried when
    `budget_seconds` are over stays as it is.

    Raises ConfigurationError for settings that are not positive numbers and for unknown atoms.
    """
    for name, value in (("factor", factor), ("tolerance", tolerance), ("budget_seconds", budget_seconds)):
        if not (number(value) and value > 0):
            raise ConfigurationError(f"expected {name} to be a positive number, got {value!r}")
    names, fixed_rows = checked(atoms), FixedRows(solution)
    limit, until = max(factor * fixed_rows.start, tolerance**2), time.monotonic() + budget_seconds
    solution = prune(solution, NEGLIGIBLE, factor, tolerance)
    for layer, node in passing(solution.network):
        straight, loss = fixed_rows.refitted(straightened(solution, layer, node), STEPS, enough=fixed_rows.start)
        solution = straight if loss <= limit else solution
    named = True
    while named:  # what could not be named at first may be when others have been
        named = False
        for place in clearest(solution, names):
            if time.monotonic() > until:
                break
            if (better := tried(fixed_rows, solution, place, names, limit)) is not None:
                solution, named = better, True
    return prune(fixed_rows.refitted(solution, STEPS)[0], NEGLIGIBLE, factor, tolerance)


def clearest(solution: Solution, names: list[str]) -> list[Place]:
    """The edges that have no names yet, those that are nearest to an atom first."""
    fits = {place: suggest(solution, *place, names) for place in spline_edges(solution.network)}
    return sorted(fits, key=lambda place: fits[place][0].error if fits[place] else float("inf"))


def tried(fixed_rows: FixedRows, solution: Solution, place: Place, names: list[str], limit: float) -> Solution | None:
    """The solution with one edge named by the first of its likeliest atoms with which the loss is small enough."""
    layer, i, o = place
    for fit in likely(suggest(solution, layer, i, o, names)):
        network = copied(solution)
        name_edge(layers_of(network)[layer], (i, o), fit.name, fit.constants)
        refitted, loss = fixed_rows.refitted(renewed(solution, network), STEPS, enough=fixed_rows.start)
        if loss <= limit:
            return refitted
    return None


def likely(fits: list[Suggestion]) -> list[Suggestion]:
    """The atoms worth a refit, the identity first: what an edge bends others may take over."""
    near = [fit for fit in fits if fit.error <= FAR]
    return sorted(near[:TRIES] + [fit for fit in near[TRIES:] if fit.name == "x"], key=lambda fit: fit.name != "x")


def spline_edges(network: KAN) -> list[Place]:
    """Every edge that has neither been named nor pruned, and may be named."""
    return [
        (position, i, o)
        for position, layer in enumerate(layers_of(network))
        for i in range(layer.basis.inputs)
        for o in range(layer.subnodes)
        if (i, o) not in atoms_of(layer) and (i, o) not in pruned_of(layer) and not layer.basis.periodic[i]
    ]
