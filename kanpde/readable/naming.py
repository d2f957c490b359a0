"""Name edges by atoms: one by hand, or as many as possible, each followed by a refit and reversible."""

from __future__ import annotations

import time
from collections.abc import Iterable

from kanpde.calculus.functions import ATOMS
from kanpde.errors import ConfigurationError, number
from kanpde.network.kan import KAN
from kanpde.readable.edges import atoms_of, name_edge, pruned_of, spline_edge
from kanpde.readable.gauge import passing, straightened
from kanpde.readable.pruning import prune
from kanpde.readable.refitting import FixedRows
from kanpde.readable.source import Source, check_edge, check_solution, copied, layers_of, renewed
from kanpde.readable.suggestions import Suggestion, checked, edge_curve, fitted, suggest
from kanpde.solution import Solution

Place = tuple[int, int, int]  # layer, input, subnode
TRIES = 3  # atoms tried on each edge
STEPS = 20  # Gauss–Newton steps of the refit after each atom
NEGLIGIBLE = 1e-6  # the importance below which edges are pruned instead of named
FAR = 0.3  # the largest error, relative to the edge's spread, of an atom that is tried


def fix(source: Source, layer: int, i: int, o: int, name: str) -> Source:
    """Return a copy in which the edge from node i to subnode o of a layer is an atom, fitted to the former edge.

    The atom's constants are trainable parameters. The other edges are not refitted: see `refit`.

    Raises ConfigurationError if the edge or the atom does not exist, if the atom is not smooth on the edge's range, or
    if the edge comes from a periodic coordinate, because an atom would not keep the period.
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
    """Return a copy in which an atom or a pruned edge is a spline again, the nearest to its present function.

    Raises ConfigurationError if the edge does not exist.
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
    """Return the solution with as many edges named as its loss allows; the result is best after `prune`.

    Negligible edges are pruned first, and a single edge into a node becomes the identity. Then the likeliest atoms are
    tried on all edges at once, and edge by edge, the edge nearest to an atom first, each followed by a refit. A change
    is undone if the loss
    exceeds both `factor` times its first value and `tolerance`² (the root of the loss estimates the relative error).
    `atoms` names the atoms to try, by default all. Edges not tried within `budget_seconds` stay splines.

    Raises ConfigurationError if a setting is not a positive number or an atom is unknown.
    """
    check_solution(solution)
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
    while named:  # naming one edge may make it possible to name another
        named = False
        if (better := together(fixed_rows, solution, names, limit)) is not None:
            solution = better
        for place in clearest(solution, names):
            if time.monotonic() > until:
                break
            if (better := tried(fixed_rows, solution, place, names, limit)) is not None:
                solution, named = better, True
    return prune(fixed_rows.refitted(solution, STEPS)[0], NEGLIGIBLE, factor, tolerance)


def together(fixed_rows: FixedRows, solution: Solution, names: list[str], limit: float) -> Solution | None:
    """Return the solution with all edges named that are near an atom, None if the loss is too large or there are none.

    Squares of several sums can be turned into each other without a change of their sum. Their edges are then mixtures,
    and a single edge that is made pure may be one that the others do not fit.
    """
    network = copied(solution)
    near = [
        (place, fits[0])
        for place in spline_edges(solution.network)
        if (fits := suggest(solution, *place, names)) and fits[0].error <= FAR
    ]
    for (layer, i, o), fit in near:
        name_edge(layers_of(network)[layer], (i, o), fit.name, fit.constants)
    if not near:
        return None
    refitted, loss = fixed_rows.refitted(renewed(solution, network), STEPS, enough=fixed_rows.start)
    return refitted if loss <= limit else None


def clearest(solution: Solution, names: list[str]) -> list[Place]:
    """Return the edges without names, the nearest to an atom first."""
    fits = {place: suggest(solution, *place, names) for place in spline_edges(solution.network)}
    return sorted(fits, key=lambda place: fits[place][0].error if fits[place] else float("inf"))


def tried(fixed_rows: FixedRows, solution: Solution, place: Place, names: list[str], limit: float) -> Solution | None:
    """Return the solution with one edge named by the first likely atom with a small enough loss, else None."""
    layer, i, o = place
    for fit in likely(suggest(solution, layer, i, o, names)):
        network = copied(solution)
        name_edge(layers_of(network)[layer], (i, o), fit.name, fit.constants)
        refitted, loss = fixed_rows.refitted(renewed(solution, network), STEPS, enough=fixed_rows.start)
        if loss <= limit:
            return refitted
    return None


def likely(fits: list[Suggestion]) -> list[Suggestion]:
    """Return the atoms worth a refit, the simplest first.

    Other edges absorb what a simple atom leaves: in (a + b)² − (a' + b')² with one function of x, both functions of t
    may contain the same third function, so that a nearly simple edge is best fitted by an atom that is not.
    """
    near = [fit for fit in fits if fit.error <= FAR]
    return sorted(
        near[:TRIES] + [fit for fit in near[TRIES:] if fit.name == "x"], key=lambda fit: ATOMS[fit.name].complexity
    )


def spline_edges(network: KAN) -> list[Place]:
    """Return every edge that is neither named nor pruned, and does not come from a periodic coordinate."""
    return [
        (position, i, o)
        for position, layer in enumerate(layers_of(network))
        for i in range(layer.basis.inputs)
        for o in range(layer.subnodes)
        if (i, o) not in atoms_of(layer) and (i, o) not in pruned_of(layer) and not layer.basis.periodic[i]
    ]
