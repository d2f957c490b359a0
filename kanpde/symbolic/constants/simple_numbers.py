"""Simple numbers in place of the constants of a formula of noisy samples, chosen together.

Constants of one fit depend on each other: with a number in place of one, the others move. The Gauss–Newton model of the
misfit predicts by how much, so sets of numbers are compared without fits, by a beam search (Lowerre, 1976). The most
promising sets are fitted, and the shortest description decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.linalg import qr

from kanpde.symbolic.clock import Clock
from kanpde.symbolic.constants.description_length import (
    Candidate,
    Expressions,
    description_length,
    length_of,
    length_of_constants,
)
from kanpde.symbolic.constants.recognition import simplest_within

# Widths of the intervals in which the simplest numbers are looked for, in standard deviations of a constant.
WIDTHS = (1.0, 2.0, 3.0, 4.0, 6.0)
# The largest numbers of choices for one constant, of sets that are extended, and of sets that are fitted at a time.
CHOICES, BEAM, FITTED = 5, 8, 4
# The number of extensions in turn that may leave the best set as it is.
PATIENCE = 3
# The part of a column of length one outside the columns before it, below which it depends on them.
DEPENDENT = 1e-14

Refit = Callable[[Expressions, Mapping[sp.Symbol, float]], Candidate]
Set = frozenset["Choice"]


@dataclass(frozen=True)
class Choice:
    """A number for the constant at a place; `saved` is the length of expressions that it saves.

    `gone` are the places of the constants that leave the expressions with it.
    """

    place: int
    number: sp.Expr
    saved: float
    gone: frozenset[int]


def simplified(found: Candidate, count: int, refit: Refit, clock: Clock) -> Candidate:
    """Return the expressions with fewer constants, each zero or a simple number, as long as the length falls."""
    length = description_length(found, count)
    while found.constants and clock.left:
        fits = [fit for chosen in promising(found, count) if clock.left and (fit := replaced(found, chosen, refit))]
        best = min(fits, key=lambda fit: description_length(fit, count), default=found)
        if not description_length(best, count) < length:
            break
        found, length = best, description_length(best, count)
    return found


def promising(found: Candidate, count: int) -> list[Set]:
    """Return the sets of choices that are predicted to shorten the description most, the best first."""
    every = choices(found, count)
    known: dict[Set, float] = {frozenset(): predicted(found, frozenset(), count)}
    beam, best = [*known], [known[frozenset()]]
    while beam and min(best[-PATIENCE:]) <= min(best):
        extended = {chosen | {one} for chosen in beam for one in every if allowed(chosen, one)} - known.keys()
        known |= {chosen: predicted(found, chosen, count) for chosen in extended}
        beam = sorted(extended, key=lambda chosen: known[chosen])[:BEAM]
        best += [known[chosen] for chosen in beam[:1]]
    shorter = [chosen for chosen in known if known[chosen] < known[frozenset()]]
    return sorted(shorter, key=lambda chosen: known[chosen])[:FITTED]


def allowed(chosen: Set, one: Choice) -> bool:
    """Return True if a choice is for a constant that the others leave."""
    return all(one.place != other.place and one.place not in other.gone for other in chosen)


def choices(found: Candidate, count: int) -> list[Choice]:
    """Return the best numbers for each constant alone."""
    places = {symbol: place for place, symbol in enumerate(found.constants)}
    every = (
        choice(found, symbol, number, places)
        for (symbol, value), deviation in zip(found.constants.items(), found.deviations.tolist(), strict=True)
        for number in numbers(value, deviation, count, most=sum(map(length_of, found.expressions)))
    )
    return [one for one in every if one is not None]


def numbers(value: float, deviation: float, count: int, most: float) -> list[sp.Expr]:
    """Return zero and simple numbers near a value that may make the description shorter, the most likely ones.

    A number adds its own length and, however the other constants move, at least the misfit of its distance in standard
    deviations. It saves the constant, and `most` if the whole expression vanishes.
    """

    def added(number: sp.Expr) -> float:
        away = (float(number) - value) / max(deviation, 1e-300)
        return length_of(number) + count / 2 * math.log1p(away**2 / count)

    every = (number for width in WIDTHS for number in simplest_within(value, width * deviation))
    saved = most + length_of_constants(np.array([value]), np.array([[1 / max(deviation, 1e-300)]]))
    costs = {number: added(number) for number in (sp.S.Zero, *every)}
    return sorted((number for number in costs if costs[number] < saved), key=costs.__getitem__)[:CHOICES]


def choice(found: Candidate, symbol: sp.Symbol, number: sp.Expr, places: Mapping[sp.Symbol, int]) -> Choice | None:
    """Return the choice of a number for a constant, None if the expressions are not finite with it."""
    expressions = substituted(found.expressions, {symbol: number})
    if expressions is None:
        return None
    saved = sum(map(length_of, found.expressions)) - sum(map(length_of, expressions))
    left = set().union(*(each.free_symbols for each in expressions))
    gone = frozenset(place for other, place in places.items() if other not in left and other != symbol)
    return Choice(places[symbol], number, saved, gone)


def substituted(expressions: Expressions, values: Mapping[sp.Symbol, sp.Expr]) -> Expressions | None:
    """Return the expressions with numbers in place of constants, None if they are not finite."""
    changed = tuple(expression.subs(values) for expression in expressions)
    return None if any(each.has(sp.nan, sp.zoo, sp.oo) for each in changed) else changed


def predicted(found: Candidate, chosen: Set, count: int) -> float:
    """Return the predicted change of the description length, up to a number that all choices share."""
    free = left_by(found, chosen)
    length = length_of_constants(found.values[free], found.root[:, free])
    return added_misfit(found, chosen, count) + length - sum(one.saved for one in chosen)


def left_by(found: Candidate, chosen: Set) -> list[int]:
    """Return the places of the constants that are left."""
    gone = {one.place for one in chosen}.union(*(one.gone for one in chosen))
    return [place for place in range(len(found.values)) if place not in gone]


def added_misfit(found: Candidate, chosen: Set, count: int) -> float:
    """Return the growth of (N/2) log r² if the other constants take their best values; exact if they are factors."""
    root, free = found.root, left_by(found, chosen)
    change = np.zeros(len(root))
    for one in chosen:
        change[one.place] = float(one.number) - found.values[one.place]
    moved = root @ change
    if free:
        columns = root[:, free] / np.maximum(np.linalg.norm(root[:, free], axis=0), 1e-300)
        span, triangle, _ = qr(columns, mode="economic", pivoting=True, check_finite=False)
        span = span[:, np.abs(np.diagonal(triangle)) > DEPENDENT]
        moved = moved - span @ (span.T @ moved)
    return count / 2 * math.log1p(float(moved @ moved) / max(1, count - len(root)))


def replaced(found: Candidate, chosen: Set, refit: Refit) -> Candidate | None:
    """Return the fit with the numbers in place of constants, None if it is not finite."""
    symbols = [*found.constants]
    expressions = substituted(found.expressions, {symbols[one.place]: one.number for one in chosen})
    if expressions is None:
        return None
    used = set().union(*(expression.free_symbols for expression in expressions))
    return refit(expressions, {other: value for other, value in found.constants.items() if other in used})
