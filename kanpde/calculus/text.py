"""Read formulas that are written as text; nothing of a text is ever run as code.

    equation   = sum [("=" | "==") sum]
    sum        = product {("+" | "-") product}
    product    = signed {("*" | "/") signed}
    signed     = {"+" | "-"} power
    power      = atom [("**" | "^") signed]
    atom       = number | name | name "(" [sum {"," sum}] ")" | "(" sum ")"

The result is built from SymPy's sums, products and powers, and from what a `Vocabulary` returns for names and calls.
Length, nesting and the size of numbers are limited, so that no text takes long to read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import sympy as sp
from mpmath.libmp import NoConvergence

from kanpde.calculus.functions import HEADS, registered
from kanpde.errors import ProblemError, nearest

MAX_CHARACTERS = 10_000  # of a text
MAX_DEPTH = 50  # of parentheses, calls and exponents in each other
MAX_DIGITS = 40  # of a number
MAX_EXPONENT = 300  # of a number in the form 1e300
MAX_BITS = 10_000  # of a power of numbers, which SymPy computes exactly
MAX_ARGUMENT = 1e9  # the largest constant of which a function is taken
MAX_COSTLY = 1000  # the same for functions that take long to compute, to many digits, for large constants
MAX_VALUE = 1e300  # of a constant
SHOWN = 60  # characters of a text in a message

CONSTANTS = {"pi": sp.pi, "E": sp.E, "EulerGamma": sp.EulerGamma, "GoldenRatio": sp.GoldenRatio}
_ALIASES = {
    "sqrt": sp.sqrt, "abs": sp.Abs, "ln": sp.log, "min": sp.Min, "max": sp.Max, "mod": sp.Mod,
    "heaviside": sp.Heaviside, "arcsin": sp.asin, "arccos": sp.acos, "arctan": sp.atan, "arctan2": sp.atan2,
    "arcsinh": sp.asinh, "arccosh": sp.acosh, "arctanh": sp.atanh,
}  # fmt: skip
_COSTLY = (sp.gamma, sp.loggamma, sp.besselj, sp.bessely, sp.besseli, sp.besselk)
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>\*\*|==|[-+*/^(),=])"
)
_HINTS = {
    ".": "; write derivatives as u_x or d(u, x)",
    "[": "; write functions with parentheses",
    "<": "; write jumps with heaviside(x - 1)",
    ">": "; write jumps with heaviside(x - 1)",
}


class Vocabulary(Protocol):
    """The meaning of a text's names and calls. The methods raise ProblemError for words that mean nothing."""

    def name(self, word: str) -> Any:
        """Return the expression of a name."""

    def call(self, word: str, arguments: Sequence[Any]) -> Any:
        """Return the expression of a call."""


def parse_expression(text: str, vocabulary: Vocabulary) -> Any:
    """Return the SymPy expression of a text; raise ProblemError with the position of a mistake in one line."""
    reader = _Reader(text, vocabulary)
    expression = reader.sum()
    reader.end()
    return expression


def parse_equation(text: str, vocabulary: Vocabulary) -> Any:
    """Return left side minus right side of an equation; a text without = means that it vanishes."""
    reader = _Reader(text, vocabulary)
    left = reader.sum()
    if reader.takes("=", "=="):
        left = left - reader.sum()
    reader.end()
    return left


def names_in(text: str) -> Iterator[str]:
    """Yield all names of a text, those of functions too, in order."""
    return (token.text for token in _tokens(text) if token.kind == "name")


def known_functions() -> dict[str, Any]:
    """Return name -> function: the table of functions by SymPy's names, usual other names, and a user's own atoms."""
    table = {head.__name__: head for head in HEADS if head is not sp.DiracDelta}
    return {**{name: row.sympy for name, row in registered().items()}, **table, **_ALIASES}


def applied(word: str, arguments: Sequence[Any]) -> Any:
    """Return a known function of arguments; raise ProblemError if it is unknown or has other arguments."""
    functions = known_functions()
    if word not in functions:
        raise ProblemError(f"{word} is no function; {nearest(word, functions)}")
    for argument in arguments:
        check_size(argument, MAX_COSTLY if functions[word] in _COSTLY else MAX_ARGUMENT)
    try:
        return check_size(functions[word](*arguments))
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ProblemError(f"{word} can't take these arguments: {reason}") from None


def check_size(expression: Any, most: float = MAX_VALUE) -> Any:
    """Return an expression; raise ProblemError if it is a constant that is not finite, or larger than `most`.

    Constants whose parts were checked are computed in no time; others, such as floor(exp(10^10)), may never be.
    """
    if expression.free_symbols:
        return expression
    try:
        size = abs(complex(sp.N(expression)))
    except (TypeError, OverflowError, NoConvergence):
        size = math.inf
    if not size <= most:
        raise ProblemError(f"a constant that is not finite, or larger than {most:g}")
    return expression


@dataclass(frozen=True)
class _Token:
    """A number, a name, a sign or the end; `position` counts the characters from 1."""

    kind: str
    text: str
    position: int

    def __str__(self) -> str:
        return repr(self.text) if self.text else "the end"


def _tokens(text: str) -> list[_Token]:
    if not isinstance(text, str):
        raise ProblemError(f"expected a formula as text, got {text!r} of type {type(text).__name__}")
    if len(text) > MAX_CHARACTERS:
        raise ProblemError(f"expected a formula of at most {MAX_CHARACTERS} characters, got {len(text)}; split it")
    found, position = [], 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            _fail(text, f"unexpected {text[position]!r}", position + 1, _HINTS.get(text[position], ""))
        found.append(_Token(str(match.lastgroup), match.group(), position + 1))
        position = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


def _fail(text: str, what: str, position: int, hint: str = "") -> NoReturn:
    shown = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    raise ProblemError(f"{shown!r}, position {position}: {what}{hint}")


class _Reader:
    """A reader by recursive descent; each rule of the grammar is a method that consumes its tokens."""

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self.text, self.vocabulary = text, vocabulary
        self.tokens, self.place, self.depth = _tokens(text), 0, 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def takes(self, *signs: str) -> str:
        """Consume the next token if it is one of the signs and return it; else return an empty text."""
        found = self.token.text if self.token.kind == "sign" and self.token.text in signs else ""
        self.place += bool(found)
        return found

    def expect(self, sign: str) -> None:
        if not self.takes(sign):
            self.fail(f"expected {sign!r}, got {self.token}")

    def end(self) -> None:
        if self.token.kind != "end":
            wanted = "one equation" if self.token.text in ("=", "==") else "an operator such as *"
            self.fail(f"expected {wanted} before {self.token}")

    def fail(self, what: str, token: _Token | None = None) -> NoReturn:
        _fail(self.text, what, (token or self.token).position)

    def sum(self) -> Any:
        terms = [self.product()]
        while sign := self.takes("+", "-"):
            terms.append(self.product() if sign == "+" else -self.product())
        return sp.Add(*terms)  # at once, because adding one by one takes quadratic time

    def product(self) -> Any:
        at, factors = self.token, [self.signed()]
        while sign := self.takes("*", "/"):
            token, factor = self.token, self.signed()
            if sign == "/" and factor.is_zero:
                self.fail("division by zero", token)
            factors.append(factor if sign == "*" else 1 / factor)
        return self.checked(sp.Mul(*factors), at) if len(factors) > 1 else factors[0]

    def signed(self) -> Any:
        negative = False
        while sign := self.takes("+", "-"):
            negative ^= sign == "-"
        value = self.power()
        return -value if negative else value

    def power(self) -> Any:
        at, base = self.token, self.atom()
        if not self.takes("**", "^"):
            return base
        exponent = self.deeper(self.signed)
        if base.is_Rational and exponent.is_Rational:
            bits = max(int(abs(base.p)).bit_length(), int(base.q).bit_length())
            if abs(exponent) * bits > MAX_BITS or (base.is_zero and exponent.is_negative):
                self.fail("a number that is too large", at)
        return self.checked(base**exponent, at)

    def atom(self) -> Any:
        token = self.token
        if self.takes("("):
            value = self.deeper(self.sum)
            self.expect(")")
            return value
        if token.kind not in ("number", "name"):
            self.fail(f"expected a number, a name or a parenthesis, got {token}")
        self.place += 1
        if token.kind == "number":
            return self.number(token)
        arguments = self.arguments() if self.takes("(") else None
        try:
            return (
                self.vocabulary.name(token.text) if arguments is None else self.vocabulary.call(token.text, arguments)
            )
        except ProblemError as error:
            self.fail(str(error), token)

    def arguments(self) -> list[Any]:
        if self.takes(")"):
            return []
        found = [self.deeper(self.sum)]
        while self.takes(","):
            found.append(self.deeper(self.sum))
        self.expect(")")
        return found

    def number(self, token: _Token) -> Any:
        """Return a number as an exact decimal fraction."""
        digits, _, exponent = token.text.lower().partition("e")
        if len(digits) > MAX_DIGITS or len(exponent) > 4 or abs(int(exponent or 0)) > MAX_EXPONENT:
            self.fail("a number that is too long", token)
        return sp.Rational(token.text)

    def checked(self, expression: Any, token: _Token) -> Any:
        """Return an expression; fail at the token if it is a constant that is too large."""
        try:
            return check_size(expression)
        except ProblemError as error:
            self.fail(str(error), token)

    def deeper(self, rule: Any) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} levels of parentheses")
        value = rule()
        self.depth -= 1
        return value
