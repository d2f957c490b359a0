"""Proposals from an ordinary differential equation: the general solutions that SymPy finds, with fitted constants.

The equation is solved without its conditions, so only the constants of integration are unknown. Least squares
determines the linear ones, and a search over a grid of values the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.functions import FAMILIES
from kanpde.errors import KanpdeError
from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.families.proposal import Constants, Proposal, constant, evaluated, placeholder
from kanpde.symbolic.families.proposal import linear as combined
from kanpde.symbolic.proof.statement import Statement, state
from kanpde.symbolic.structure.sampled import Sampled
from kanpde.symbolic.structure.span_search import criterion

# Time limit in seconds for one call of dsolve: first with symbolic parameters, then with numbers.
SECONDS = 4.0
# Grid of values for the nonlinear constants of integration.
TRIED = np.concatenate([[0.0], *(sign * np.geomspace(0.02, 50, 24) for sign in (1, -1))])
# The largest number of nonlinear constants of integration, and the number of fits that are kept.
MOST, KEPT = 2, 4
FAMILY = "the equation's own solutions"


def general(
    field: Sampled, problem: Problem, clock: Clock, functions: Sequence[str] | None, linear: bool
) -> Iterator[Proposal]:
    """Yield proposals for the field of an ordinary equation that is linear or, if `linear` is False, nonlinear.

    Yield nothing if SymPy finds no elementary solution. SymPy is fast on most linear equations and slow on most others.
    """
    if field.dimension != 1 or len(problem.fields) != 1 or problem.unknowns or field.norm() == 0:
        return
    for parameters in (None, ()):
        found = _solutions(problem, parameters, clock, linear)
        proposals = [p for s, statement in found for p in _fitted(field, s, statement, functions)]
        if proposals:
            yield from proposals
            return


def _solutions(
    problem: Problem, parameters: tuple[()] | None, clock: Clock, linear: bool
) -> list[tuple[Any, Statement]]:
    """Return general solutions in the coordinate, C1, C2, … and the symbols of the parameters."""
    try:
        with time_limit(max(0.01, min(SECONDS, clock.left / 4))):
            statement = state(problem, parameters)
            u = sp.Function("u")(statement.coordinates[0])
            inside = [equation.of((u,)) for equation in statement.equations if equation.name == "residual"]
            wanted = len(inside) == 1 and _linear(inside[0], u) == linear
            found = sp.dsolve(inside[0], u) if wanted else []
    except (Exception, TimeLimit):  # SymPy raises many types of error on equations it cannot solve
        return []
    parts = found if isinstance(found, list) else [found]
    return [(part.rhs, statement) for part in parts if isinstance(part, sp.Eq) and part.lhs == u and _known(part.rhs)]


def _linear(equation: Any, u: Any) -> bool:
    """Return True if an equation is linear in u and its derivatives."""
    parts = sorted({*equation.atoms(sp.Derivative), u}, key=sp.count_ops, reverse=True)
    names = {part: sp.Dummy() for part in parts}
    plain = equation.xreplace(names)
    return not any(sp.diff(plain, name).has(*names.values()) for name in names.values())


def _known(expression: Any) -> bool:
    """Return True if the expression is explicit, real and a combination of supported functions."""
    return not expression.has(sp.I, sp.Integral, sp.Derivative, sp.core.function.AppliedUndef) and all(
        part.func in FAMILIES for part in expression.atoms(sp.Function)
    )


def _fitted(field: Sampled, solution: Any, statement: Statement, functions: Sequence[str] | None) -> list[Proposal]:
    """Return proposals with the constants of a solution fitted to the field, the best first."""
    if functions is not None and {FAMILIES[part.func] for part in solution.atoms(sp.Function)} - set(functions):
        return []
    number = itertools.count()
    own: Constants = {}
    swaps: dict[Any, Any] = {}
    for symbol, value in statement.parameters.items():
        if solution.has(symbol):
            swaps[symbol] = placeholder(next(number))
            own[swaps[symbol]] = float(value)
    free = sorted(solution.free_symbols - {*statement.coordinates, *statement.parameters}, key=str)
    swaps.update((symbol, placeholder(next(number))) for symbol in free)
    expression, open_ = solution.xreplace(swaps), [swaps[symbol] for symbol in free]
    flat = [c for c in open_ if not sp.diff(expression, c).free_symbols & set(open_)]
    bent = [c for c in open_ if c not in flat]
    if len(bent) > MOST:
        return []
    grid = itertools.product(TRIED if len(bent) < MOST else TRIED[::3], repeat=len(bent))
    fits = [_with(field, expression, flat, {**own, **dict(zip(bent, values, strict=True))}) for values in grid]
    return sorted((fit for fit in fits if fit is not None), key=lambda fit: fit.misfit)[:KEPT]


def _with(field: Sampled, expression: Any, flat: list[Any], known: Constants) -> Proposal | None:
    """Return a proposal with the nonlinear constants `known` and the linear ones by least squares; None if it fails."""
    columns = {field.names[0]: field.nodes[0]}
    root, size = np.sqrt(field.weights[0]), field.norm()
    try:
        if flat:
            expanded = sp.expand(expression)
            terms = [expanded.coeff(c) for c in flat] + [expanded.subs(dict.fromkeys(flat, 0))]
            terms = [term for term in terms if term != 0]
            design = np.stack([evaluated(term, known, columns) for term in terms], axis=1)
            target = root * field.values / size
            return combined(FAMILY, terms, known, root[:, None] * design / size, target, field.error, len(root))
        values = evaluated(expression, known, columns)
    except (KanpdeError, ArithmeticError, ValueError):
        return None
    misfit = field.norm(values - field.values) / size
    if not np.isfinite(misfit) or misfit > 1:
        return None
    new = {old: constant(i) for i, old in enumerate(known)}
    numbers = {new[old]: value for old, value in known.items()}
    score = criterion(misfit, len(numbers), len(root), field.error)
    return Proposal(FAMILY, expression.xreplace(new), numbers, misfit, score)
