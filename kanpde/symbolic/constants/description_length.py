"""The description length of a formula of samples with noise, and its constants made simpler as long as it falls.

    L = (N/2) log r² + k log n + Σ log* |m| + Σ_i log(|c_i| / (√12 s_i))

for N samples with the relative residual r: the bits (to the base e) of the misfit, of an expression of k nodes of n
kinds, of the whole numbers m in it, and of each constant c_i down to its standard deviation s_i. What noise does not
support costs more than it explains: Bartlett, Desmond and Ferreira, "Exhaustive symbolic regression", IEEE Trans. Evol.
Comput. 28 (2024) 950; log* is the universal code of Rissanen, Annals of Statistics 11 (1983) 416.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import sympy as sp

from kanpde.symbolic.clock import Clock
from kanpde.symbolic.constants.recognition import simplest_within

# Residual below which the misfit is round-off.
ROUND_OFF = 1e-10
# Standard deviations within which a constant is replaced by a number.
WITHIN = 3.0
# The sum of the probabilities that the universal code gives to all whole numbers, by which it is divided.
UNIVERSAL = 2.865
# Numbers that are tried in place of a constant, the shortest ones.
SIMPLEST = 2

Expressions = tuple[sp.Expr, ...]


@dataclass(frozen=True)
class Candidate:
    """Expressions with fitted constants, their relative residual, and the constants' standard deviations."""

    expressions: Expressions
    constants: Mapping[sp.Symbol, float]
    residual: float
    deviations: Mapping[sp.Symbol, float] = field(default_factory=dict)


Refit = Callable[[Expressions, Mapping[sp.Symbol, float]], Candidate]


def description_length(found: Candidate, count: int) -> float:
    """Return L of expressions that were fitted to `count` samples; infinite if they are not finite."""
    if not math.isfinite(found.residual):
        return math.inf
    misfit = count * math.log(max(found.residual, ROUND_OFF))
    return (
        misfit
        + sum(map(length_of, found.expressions))
        + sum(length_of_constant(value, found.deviations.get(symbol, 0.0)) for symbol, value in found.constants.items())
    )


def length_of(expression: sp.Expr) -> float:
    """Return the length of an expression without its constants: nodes of several kinds, and whole numbers."""
    kinds: list[str] = []
    numbers = 0.0
    for node in sp.preorder_traversal(expression):
        if isinstance(node, sp.Rational):
            numbers += length_of_whole(abs(node.p)) + length_of_whole(node.q)
            kinds.append("number")
        elif node.args:
            kinds += [type(node).__name__] * max(1, len(node.args) - 1)
        else:
            kinds.append("constant" if str(node).startswith("constant_") else str(node))
    return len(kinds) * math.log(max(2, len(set(kinds)))) + numbers


def length_of_whole(number: int) -> float:
    """Return the length of a whole number in Rissanen's universal code, log n + log log n + …; zero of 0 and 1."""
    length, rest = math.log(UNIVERSAL) if number > 1 else 0.0, math.log(max(number, 1))
    while rest > 0:
        length, rest = length + rest, math.log(rest)
    return length


def length_of_constant(value: float, deviation: float) -> float:
    """Return the length of a constant down to its standard deviation."""
    steps = abs(value) / (math.sqrt(12) * max(deviation, ROUND_OFF * abs(value), 1e-300))
    return math.log(max(steps, 1.0))


def simplified(found: Candidate, count: int, refit: Refit, clock: Clock) -> Candidate:
    """Return the expressions with fewer constants, each zero or a simple number, as long as the length falls."""
    length, progress = description_length(found, count), True
    while progress and clock.left:
        progress = False
        for symbol, number in replacements(found):
            if not clock.left:
                break
            following = replaced(found, symbol, number, refit)
            if following is not None and (shorter := description_length(following, count)) < length:
                found, length, progress = following, shorter, True
                break
    return found


def replacements(found: Candidate) -> Iterator[tuple[sp.Symbol, sp.Expr]]:
    """Yield a constant and a number within its deviations, the least certain constants first."""

    def certainty(symbol: sp.Symbol) -> float:
        return abs(found.constants[symbol]) / max(found.deviations.get(symbol, 0.0), 1e-300)

    for symbol in sorted(found.constants, key=certainty):
        value, deviation = found.constants[symbol], found.deviations.get(symbol, 0.0)
        numbers = sorted(simplest_within(value, WITHIN * deviation), key=length_of)
        yield from ((symbol, number) for number in numbers[:SIMPLEST])


def replaced(found: Candidate, symbol: sp.Symbol, number: sp.Expr, refit: Refit) -> Candidate | None:
    """Return the fit with a number in place of a constant, None if it is not finite."""
    expressions = tuple(expression.subs(symbol, number) for expression in found.expressions)
    if any(expression.has(sp.nan, sp.zoo, sp.oo) for expression in expressions):
        return None
    used = set().union(*(expression.free_symbols for expression in expressions))
    kept = {other: value for other, value in found.constants.items() if other in used}
    return refit(expressions, kept)
