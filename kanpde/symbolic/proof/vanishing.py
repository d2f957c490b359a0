"""Whether an expression vanishes identically: shown by algebra, or seen at points with fifty digits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.symbolic.clock import Clock, TimeLimit, time_limit

DIGITS, POINTS = 50, 6
# What cancels leaves this much of its terms, of DIGITS digits.
_LEFT = sp.Float(10) ** -(DIGITS - 10)


@dataclass(frozen=True)
class Step:
    """One line of a proof: what was to be shown, how, the outcome in a word, and the seconds it took."""

    what: str
    how: str
    outcome: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.what}: {self.outcome}" + (f" by {self.how}" if self.how else "") + f" ({self.seconds:.2f} s)"

    @property
    def holds(self) -> bool:
        return self.outcome in ("vanishes", "holds")

    @property
    def fails(self) -> bool:
        return self.outcome.startswith(("does not", "is not"))


def _fractions(expression: Any) -> Any:
    """The numerator over one denominator."""
    return sp.expand(sp.numer(sp.together(expression)))


def _exponentials(expression: Any) -> Any:
    """Circular and hyperbolic functions as exponentials, whose products and quotients then cancel."""
    return _fractions(sp.expand(expression.rewrite(sp.exp)))


def _exponentials_of_powers(expression: Any) -> Any:
    return sp.simplify(_exponentials(sp.expand(sp.powdenest(expression))))


def _squares(expression: Any) -> Any:
    """Roots of squares: sqrt(1 + sinh(x)²) is cosh(x)."""
    plain = expression.rewrite(sp.exp)
    roots = [p for p in plain.atoms(sp.Pow) if p.exp.is_Rational and not p.exp.is_Integer and p.free_symbols]
    return sp.expand(plain.xreplace({p: sp.powdenest(sp.factor(sp.expand(p.base)) ** p.exp) for p in roots}))


# Cheap ones first: expand settles in hundredths of a second what simplify may ponder for minutes.
SIMPLIFICATIONS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("expand", lambda e: sp.expand(e)),
    ("powsimp", lambda e: sp.powsimp(sp.expand(e))),
    ("a common denominator", _fractions),
    ("exponentials", _exponentials),
    ("roots of squares", _squares),
    ("trigsimp", lambda e: sp.trigsimp(e)),
    ("simplify", lambda e: sp.simplify(e)),
    ("exponentials and simplify", _exponentials_of_powers),
)


def show(what: str, expression: Any, boxes: Mapping[Any, tuple[Any, Any]], clock: Clock, share: float = 3.0) -> Step:
    """Try to show that an expression vanishes for all values of its symbols within `boxes` (symbol -> bounds).

    The outcome is "vanishes", shown by algebra; "vanishes at points", seen with `DIGITS` digits at random rational
    points; "does not vanish", or "is not defined", seen at one; or "is undecided". Each simplification has `share`
    seconds, and all of them what is left on the clock.
    """
    start = time.monotonic()

    def step(how: str, outcome: str) -> Step:
        return Step(what, how, outcome, time.monotonic() - start)

    if expression == 0:
        return step("inspection", "vanishes")
    seen = at_points(expression, boxes, clock, share)
    if seen != "vanishes at points":
        return step("numbers" if seen != "is undecided" else "", seen)
    for how, simplification in SIMPLIFICATIONS:
        try:
            with time_limit(max(0.01, min(share, clock.left))):
                if simplification(expression) == 0:
                    return step(how, "vanishes")
        except TimeLimit:
            continue
        except Exception:  # SymPy raises errors of all kinds on what it was not made for
            continue
    return step(f"{DIGITS} digits at {POINTS} points", seen)


def at_points(expression: Any, boxes: Mapping[Any, tuple[Any, Any]], clock: Clock, share: float = 3.0) -> str:
    """The outcome of evaluating an expression at random rational points of the boxes."""
    terms = sp.Add.make_args(expression)
    try:
        with time_limit(max(0.01, min(2 * share, clock.left))):
            for point in rational_points(boxes, POINTS):
                outcome = _at(terms, point)
                if outcome:
                    return outcome
    except TimeLimit:
        return "is undecided"
    return "vanishes at points"


def _at(terms: Sequence[Any], point: Mapping[Any, Any]) -> str:
    """What is wrong at a point; empty where the terms cancel."""
    try:
        values = [sp.N(term.subs(point), DIGITS) for term in terms]
    except Exception:  # functions that cannot be evaluated there
        return "is undecided"
    if not all(value.is_number and value.is_finite for value in values):
        return "is not defined" if all(value.is_number for value in values) else "is undecided"
    size = max((abs(value) for value in values), default=0)
    # A single term that is zero has no other to be measured against.
    limit = _LEFT * (size if len(values) > 1 else 1)
    return "" if abs(sp.N(sp.Add(*values), DIGITS)) <= limit else "does not vanish"


def rational_points(boxes: Mapping[Any, tuple[Any, Any]], count: int) -> list[dict[Any, Any]]:
    """Random points with rational coordinates relative to the boxes, inside them; the same at every call."""
    draw = random.Random(0)
    return [
        {symbol: a + (b - a) * sp.Rational(draw.randint(1, 9972), 9973) for symbol, (a, b) in boxes.items()}
        for _ in range(count)
    ]
