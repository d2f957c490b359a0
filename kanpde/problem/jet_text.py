"""Residuals and values that are written as text, in the fields' partial derivatives, coordinates and constants."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.expressions import symbols, torch_functions
from kanpde.calculus.text import CONSTANTS, applied, parse_equation
from kanpde.errors import ProblemError
from kanpde.problem.field import Field, parse_partial

MAX_ORDER = 12  # of a partial derivative
MAX_OPERATIONS = 2_000  # of an expression that differentiation made

Values = Mapping[str, Any]


@dataclass
class JetVocabulary:
    """The names in a residual: ``u``, ``u_xx`` and ``u_x_t`` of fields, coordinates, constants; the call ``d(u, x)``.

    `symbols` maps each partial (field, axes) that the texts use to its symbol, and `used` are the constants that they
    use. Names of constants come first, so that a parameter may be called ``u_0``.
    """

    coordinates: tuple[str, ...]
    fields: tuple[str, ...]
    constants: tuple[str, ...] = ()
    symbols: dict[tuple[str, MultiIndex], Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def name(self, word: str) -> Any:
        """Return the symbol of a name; raise ProblemError if it is unknown."""
        if word in self.constants:
            self.used.add(word)
            return symbols([word])[0]
        if word in self.coordinates:
            return symbols([word])[0]
        found = subscripted(word, self.fields, self.coordinates)
        if found is not None:
            return self.partial(*found)
        if word in CONSTANTS:
            return CONSTANTS[word]
        raise ProblemError(self._unknown(word))

    def call(self, word: str, arguments: Sequence[Any]) -> Any:
        """Return a derivative ``d(expression, x, …)``, or a function; raise ProblemError if it is unknown."""
        return self._derivative(arguments) if word == "d" else applied(word, arguments)

    def partial(self, name: str, axes: MultiIndex) -> Any:
        """Return the symbol of a partial of a field; raise ProblemError if its order is too high."""
        if len(axes) > MAX_ORDER:
            raise ProblemError(f"expected derivatives of order {MAX_ORDER} at most, got order {len(axes)}")
        # No coordinate and no constant begins with an underscore.
        return self.symbols.setdefault((name, axes), sp.Symbol(f"_{len(self.symbols)}", real=True))

    def _derivative(self, arguments: Sequence[Any]) -> Any:
        axes: list[int] = []
        known = dict(zip(symbols(self.coordinates), range(len(self.coordinates)), strict=True))
        for argument in arguments[1:]:
            if argument in known:
                axes.append(known[argument])
            elif axes and argument.is_Integer and 0 < argument <= MAX_ORDER:
                axes += [axes[-1]] * (int(argument) - 1)
            else:
                axes.clear()
                break
        if not axes:
            raise ProblemError(f"expected d(expression, coordinate, …) with coordinates {', '.join(self.coordinates)}")
        expression = arguments[0]
        for axis in axes:
            expression = self._along(expression, axis)
        return expression

    def _along(self, expression: Any, axis: int) -> Any:
        """Return the total derivative ∂e/∂x + Σ ∂e/∂p p_x over the partials p of fields."""
        terms = [sp.diff(expression, symbols(self.coordinates)[axis])]
        for (name, axes), symbol in list(self.symbols.items()):
            if symbol in expression.free_symbols:
                terms.append(sp.diff(expression, symbol) * self.partial(name, tuple(sorted((*axes, axis)))))
        result = sp.Add(*terms)
        if sp.count_ops(result) > MAX_OPERATIONS:
            raise ProblemError("its derivatives are too long; introduce a field for an inner part")
        return result

    def _unknown(self, word: str) -> str:
        owner = next((name for name in self.fields if word.startswith(f"{name}_")), None)
        if owner is not None:
            known = ", ".join(self.coordinates)
            return f"expected a partial derivative of {owner}, got {word}; the coordinates are {known}"
        return f"{word} is neither a field, a coordinate nor a parameter; give parameters={{{word!r}: …}}"


def subscripted(word: str, fields: Sequence[str], coordinates: tuple[str, ...]) -> tuple[str, MultiIndex] | None:
    """Return the field and the axes of a name like u, u_xx or u_x_t; None if it is no partial of a field."""
    for name in sorted(fields, key=len, reverse=True):
        if word == name:
            return name, ()
        axes = subscript(word[len(name) + 1 :], coordinates) if word.startswith(f"{name}_") else None
        if axes is not None:
            return name, axes
    return None


def subscript(words: str, coordinates: tuple[str, ...]) -> MultiIndex | None:
    """Return the sorted axes of "xx" or "x_t"; None if it does not consist of coordinates."""
    parts = [parse_partial(part, coordinates) if part else None for part in words.split("_")]
    return None if None in parts else tuple(sorted(axis for part in parts for axis in part or ()))


@dataclass(frozen=True)
class Residual:
    """Rows in SymPy: expressions of coordinates, of constants, and of the fields' partials.

    `partials` maps the name of the symbol of each partial to its field and the names of its coordinates.
    """

    rows: tuple[Any, ...]
    partials: Mapping[str, tuple[str, tuple[str, ...]]]

    @classmethod
    def parsed(cls, texts: Sequence[str], vocabulary: JetVocabulary) -> Residual:
        """Return the rows of texts; raise ProblemError for a mistake in one of them, or for one without a field."""
        rows = tuple(real(parse_equation(text, vocabulary), text) for text in texts)
        names = vocabulary.coordinates
        partials = {
            symbol.name: (name, tuple(names[axis] for axis in axes))
            for (name, axes), symbol in vocabulary.symbols.items()
        }
        for row, text in zip(rows, texts, strict=True):
            if not any(symbol.name in partials for symbol in row.free_symbols):
                raise ProblemError(f"{text!r} depends on none of the fields {', '.join(vocabulary.fields)}")
        return cls(rows, partials)

    def minus(self, solutions: Values) -> Residual:
        """Return the rows minus their values at expressions of the fields by name: a manufactured source."""
        at = {
            symbols([symbol])[0]: sp.diff(solutions[name], *symbols(words)) if words else solutions[name]
            for symbol, (name, words) in self.partials.items()
        }
        return Residual(tuple(row - row.xreplace(at) for row in self.rows), self.partials)

    def __call__(self, parameters: Values, given: Values) -> list[Any]:
        """Return the rows for the values of the parameters, and for fields, coordinates and unknowns by name.

        The rows are tensors if the given values are, and expressions if these stand for expressions.
        """
        if any(isinstance(field, Field) for field in given.values()):
            function, names = _compiled(self.rows, tuple(parameters.items()))
            return function(*(self._value(name, given) for name in names))
        rows = [filled(row, parameters) for row in self.rows]
        used = set().union(*(row.free_symbols for row in rows))
        known = {
            s: sp.sympify(self._value(s.name, given), strict=True) for s in used if s.name in (*self.partials, *given)
        }
        return [row.xreplace(known) for row in rows]

    def _value(self, name: str, given: Values) -> Any:
        if name not in self.partials:
            return given[name]
        field, words = self.partials[name]
        return given[field].d(*words)


@functools.lru_cache(maxsize=256)
def _compiled(
    rows: tuple[Any, ...], parameters: tuple[tuple[str, float], ...]
) -> tuple[Callable[..., list[Tensor]], tuple[str, ...]]:
    """Return the rows with these parameters as one function of tensors, and the names of its arguments."""
    numbers = tuple(filled(row, dict(parameters)) for row in rows)
    used = {symbol.name for row in numbers for symbol in row.free_symbols}
    # Partials, of shape (n,), come first, because the first argument determines the shape of the rows.
    names = tuple(sorted(used, key=lambda name: (not name.startswith("_"), name)))
    return torch_functions(numbers, names), names


def filled(expression: Any, parameters: Values) -> Any:
    """Return an expression with values in place of the parameters' symbols: numbers, or expressions of a proof."""
    swaps = {symbol: _exact(parameters[symbol.name]) for symbol in expression.free_symbols if symbol.name in parameters}
    return expression.xreplace(swaps) if swaps else expression


def _exact(value: Any) -> Any:
    """Return a value in SymPy; whole numbers as integers, because powers of negative numbers need them."""
    return sp.Integer(int(value)) if isinstance(value, float) and value.is_integer() else sp.sympify(value, strict=True)


def real(expression: Any, text: str) -> Any:
    """Return the expression; raise ProblemError if it contains an infinity or an imaginary number."""
    if expression.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
        raise ProblemError(f"{text!r}: expected real and finite numbers; it divides by zero, or has an imaginary part")
    return expression
