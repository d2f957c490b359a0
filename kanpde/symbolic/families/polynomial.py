"""Fields that are polynomials in one coordinate with coefficients that depend on the other: w = Σ_k x^k T_k(t).

Unlike the factors of a separation, each T_k is determined uniquely, scale included, so each can be a composition by
itself: the log of a Gaussian whose variance v depends on time is -x²/(2 v(t)) - log(v(t))/2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import sympy as sp

from kanpde.calculus.expressions import symbols
from kanpde.symbolic.families.nested import sums
from kanpde.symbolic.families.proposal import Constants, Proposal, constant, evaluated
from kanpde.symbolic.structure.atoms import VARIABLE
from kanpde.symbolic.structure.outer_functions import peel
from kanpde.symbolic.structure.sampled import Sampled
from kanpde.symbolic.structure.span_search import criterion

Wrap = Callable[[sp.Expr], sp.Expr]

# The degree of the polynomial.
DEGREE = 2
# The largest relative misfit: a multiple of the field's error, but at least the second number.
LEFT, LEAST = 10.0, 1e-9
# Values of a in T = log(w) / a.
SHARES = (1, -1, 2, -2)


def polynomial_in_one(field: Sampled, family: str, wrap: Wrap) -> Iterator[Proposal]:
    """Yield proposals for a field that is a polynomial in one of its two coordinates."""
    if field.dimension != 2:
        return
    for axis in (0, 1):
        parts = _coefficients(field, axis)
        found = [_read(part) for part in parts]
        if parts and all(part is not None for part in found):
            yield _proposal(field, axis, [part for part in found if part is not None], family, wrap)


def _coefficients(field: Sampled, axis: int) -> list[Sampled]:
    """Return T_0, T_1, … as fields of the other coordinate, or an empty list if the field is not a polynomial."""
    other = 1 - axis
    powers = np.vander(field.nodes[axis], DEGREE + 1, increasing=True)
    solve = np.linalg.pinv(powers)
    along = [np.moveaxis(part, axis, 0) for part in (field.values, field.first[other], field.second[other])]
    values, first, second = (solve @ part for part in along)
    if field.norm(np.moveaxis(powers @ values - along[0], 0, axis)) > max(LEFT * field.error, LEAST) * field.norm():
        return []
    found = []
    for u, u1, u2 in zip(values, first, second, strict=True):
        part = Sampled((VARIABLE.name,), (field.nodes[other],), (field.weights[other],), u, (u1,), (u2,), field.error)
        small = part.norm() <= LEFT * field.error * field.norm()
        found.append(part.outer(lambda w: (0 * w, 0 * w, 0 * w)) if small else part)
    return found


def _read(part: Sampled) -> tuple[sp.Expr, dict[sp.Symbol, float]] | None:
    """Return the function of VARIABLE that fits this coefficient with the fewest constants, or None."""
    if part.norm() == 0:
        return sp.S.Zero, {}
    levels = [(w, back) for w, back in _levels(part) if w.finite and w.norm() > 0]
    found = [(back(expression), constants) for w, back in levels for expression, constants in sums(w)]
    return min(found, key=lambda pair: len(pair[1]), default=None)


def _levels(part: Sampled) -> Iterator[tuple[Sampled, Wrap]]:
    """Yield T itself, its images under inverses of outer functions, and exp(a T), each with the map back to T."""
    yield part, lambda w: w
    yield from ((w, back) for name, w, back in peel(part) if not name.startswith(("exp", "log")))
    for a in SHARES:
        if np.abs(a * part.values).max() < 50:
            yield (
                part.outer(lambda u, a=a: (np.exp(a * u), a * np.exp(a * u), a**2 * np.exp(a * u))),  # type: ignore[misc]
                lambda w, a=a: sp.log(w) / a,  # type: ignore[misc]
            )


def _proposal(
    field: Sampled, axis: int, parts: list[tuple[sp.Expr, dict[sp.Symbol, float]]], family: str, wrap: Wrap
) -> Proposal:
    x, t = (symbols(field.names)[i] for i in (axis, 1 - axis))
    constants: Constants = {}
    total = sp.S.Zero
    for power, (expression, own) in enumerate(parts):
        new = {symbol: constant(len(constants) + k) for k, symbol in enumerate(own)}
        constants.update((new[symbol], value) for symbol, value in own.items())
        total += x**power * expression.xreplace({**new, VARIABLE: t})
    columns = dict(zip(field.names, field.coordinates, strict=True))
    misfit = field.norm(evaluated(total, constants, columns) - field.values) / field.norm()
    score = criterion(misfit, len(constants), len(field.nodes[0]), field.error)
    return Proposal(f"{family}, a polynomial of {x}", wrap(total), constants, misfit, score)
