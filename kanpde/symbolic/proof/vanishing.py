"""Decide whether an expression vanishes identically: by algebra, or at points with fifty digits."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.proof.intervals import sign

DIGITS, POINTS = 50, 6
# The largest sum, relative to its terms, that counts as zero with DIGITS digits.
_LEFT = sp.Float(10) ** -(DIGITS - 10)


@dataclass(frozen=True)
class Step:
    """One line of a proof: the claim, the method, the outcome in words, and the seconds."""

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
    """Return the expanded numerator over a common denominator."""
    return sp.expand(sp.numer(sp.together(expression)))


def _exponentials(expression: Any) -> Any:
    """Rewrite circular and hyperbolic functions as exponentials, whose products and quotients cancel."""
    return _fractions(sp.expand(expression.rewrite(sp.exp)))


def _exponentials_of_powers(expression: Any) -> Any:
    return sp.simplify(_exponentials(sp.expand(sp.powdenest(expression))))


def _squares(expression: Any) -> Any:
    """Rewrite roots of squares: sqrt(1 + sinh(x)²) is cosh(x)."""
    plain = expression.rewrite(sp.exp)
    roots = [p for p in plain.atoms(sp.Pow) if p.exp.is_Rational and not p.exp.is_Integer and p.free_symbols]
    return sp.expand(plain.xreplace({p: sp.powdenest(sp.factor(sp.expand(p.base)) ** p.exp) for p in roots}))


def _multiples_of_angles(expression: Any) -> Any:
    """Rewrite sin(n a), cos(n a) by sin a and cos a, so that those of atan2 and acos become roots."""
    return _fractions(sp.expand_trig(expression))


def _orders(expression: Any) -> Any:
    """Rewrite Bessel functions by those of two orders: J_{n+1}(z) = (2n/z) J_n(z) - J_{n-1}(z)."""
    functions = expression.atoms(*_RECURRENCES)
    if not functions:
        return expression
    done = sp.expand(expression)
    for _ in range(len(functions) + 20):
        highest = _highest(done)
        if highest is None:
            break
        n, z = highest.args
        done = sp.expand(done.xreplace({highest: _RECURRENCES[highest.func](highest.func, n - 1, z)}))
    return _fractions(done)


def _highest(expression: Any) -> Any | None:
    """Return the Bessel function of the highest order at least two above another one, None if there is none."""
    for one in sorted(expression.atoms(*_RECURRENCES), key=lambda f: -sp.N(f.args[0])):
        alike = [f.args[0] for f in expression.atoms(one.func) if f.args[1] == one.args[1]]
        if any((steps := one.args[0] - order).is_Integer and steps >= 2 for order in alike):
            return one
    return None


# The function of the order n + 1 by those of n and n - 1 (DLMF 10.6.1, 10.29.1).
_RECURRENCES: dict[Any, Callable[[Any, Any, Any], Any]] = {
    sp.besselj: lambda f, n, z: 2 * n / z * f(n, z) - f(n - 1, z),
    sp.bessely: lambda f, n, z: 2 * n / z * f(n, z) - f(n - 1, z),
    sp.besseli: lambda f, n, z: -2 * n / z * f(n, z) + f(n - 1, z),
    sp.besselk: lambda f, n, z: 2 * n / z * f(n, z) + f(n - 1, z),
}


def _logarithms(expression: Any) -> Any:
    """Return 0 if exp(e) = 1; else e. A real e is a multiple of 2πi then, and so 0."""
    if not expression.has(sp.log):
        return expression
    return sp.S.Zero if sp.cancel(sp.powsimp(sp.exp(sp.expand(expression)))) == 1 else expression


# Cheap rewritings come first, because expand takes hundredths of a second and simplify may take minutes.
SIMPLIFICATIONS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("expand", lambda e: sp.expand(e)),
    ("powsimp", lambda e: sp.powsimp(sp.expand(e))),
    ("a common denominator", _fractions),
    ("exponentials", _exponentials),
    ("roots of squares", _squares),
    ("recurrences of Bessel functions", _orders),
    ("multiples of angles", _multiples_of_angles),
    ("trigsimp", lambda e: sp.trigsimp(e)),
    ("logarithms", _logarithms),
    ("simplify", lambda e: sp.simplify(e)),
    ("exponentials and simplify", _exponentials_of_powers),
)


def _opposite(expression: Any, boxes: Mapping[Any, tuple[Any, Any]]) -> bool:
    """Return whether an expression is a sum of two terms with equal squares and opposite signs throughout the boxes."""
    terms = sp.Add.make_args(expression)
    if len(terms) != 2 or sp.cancel(sp.together(terms[0] ** 2 / terms[1] ** 2)) != 1:
        return False
    ends = {symbol: (float(low), float(high)) for symbol, (low, high) in boxes.items()}
    return {sign(term, ends) for term in terms} == {"positive", "negative"}


def show(what: str, expression: Any, boxes: Mapping[Any, tuple[Any, Any]], clock: Clock, share: float = 3.0) -> Step:
    """Try to show that an expression vanishes for all values of its symbols within `boxes` (symbol -> bounds).

    The outcome is "vanishes", by algebra; "vanishes at points", with `DIGITS` digits at random rational points; "does
    not vanish" or "is not defined", at one point; or "is undecided". Each simplification has `share` seconds, and all
    of them together have the clock's remaining time.
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
        except Exception:  # SymPy raises errors of all kinds on unsupported expressions
            continue
    with contextlib.suppress(TimeLimit, Exception), time_limit(max(0.01, min(share, clock.left))):
        if _opposite(expression, boxes):
            return step("squares and signs", "vanishes")
    return step(f"{DIGITS} digits at {POINTS} points", seen)


def at_points(expression: Any, boxes: Mapping[Any, tuple[Any, Any]], clock: Clock, share: float = 3.0) -> str:
    """Return the outcome of evaluating an expression at random rational points of the boxes."""
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
    """Return the outcome at a point, empty if the terms cancel."""
    try:
        values = [sp.N(term.subs(point), DIGITS) for term in terms]
    except Exception:  # functions that cannot be evaluated there
        return "is undecided"
    if not all(value.is_number and value.is_finite for value in values):
        return "is not defined" if all(value.is_number for value in values) else "is undecided"
    size = max((abs(value) for value in values), default=0)
    # The sum is relative to the largest term, except that a single term must itself be zero.
    limit = _LEFT * (size if len(values) > 1 else 1)
    return "" if abs(sp.N(sp.Add(*values), DIGITS)) <= limit else "does not vanish"


def rational_points(boxes: Mapping[Any, tuple[Any, Any]], count: int) -> list[dict[Any, Any]]:
    """Return random points inside the boxes, with rational coordinates relative to them, the same at every call."""
    draw = random.Random(0)
    return [
        {symbol: a + (b - a) * sp.Rational(draw.randint(1, 9972), 9973) for symbol, (a, b) in boxes.items()}
        for _ in range(count)
    ]
