"""Compile SymPy expressions into functions of tensors or arrays.

An expression becomes a short program with one step for each distinct subexpression, so that common parts are computed
once. Constants are folded at 30 digits, and a call runs tensor operations only.
"""

from __future__ import annotations

import cmath
import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.functions import operation
from kanpde.calculus.torch_functions import Operation, add, multiply, power
from kanpde.errors import ProblemError

TorchFunction = Callable[..., Tensor]
PointFunction = Callable[[Tensor], Tensor]  # points (n, d) -> (n,)

_UNEVALUATED = (sp.Derivative, sp.Subs, sp.Integral, sp.Sum, sp.Product)


def symbols(names: Sequence[str]) -> tuple[sp.Symbol, ...]:
    """Return real SymPy symbols with these names."""
    return tuple(sp.Symbol(name, real=True) for name in names)


def real_expression(value: Any, names: Sequence[str]) -> Any:
    """Return a number or SymPy expression with its symbols replaced by real symbols of the same names.

    Raises ProblemError if the value is of another type or has symbols that are not among the names.
    """
    if isinstance(value, bool) or not isinstance(value, (sp.Expr, int, float, np.number)):
        raise ProblemError(f"expected a SymPy expression or a number, got {value!r} of type {type(value).__name__}")
    return _in_real_symbols(sp.sympify(value, strict=True), tuple(names))  # strict: no text is ever read as code


@lru_cache(maxsize=256)
def _in_real_symbols(value: Any, names: tuple[str, ...]) -> Any:
    """Return a SymPy expression with its symbols replaced by real symbols of the same names."""
    expression = value
    known = {str(symbol): symbol for symbol in symbols(names)}
    unknown = sorted(str(symbol) for symbol in expression.free_symbols if str(symbol) not in known)
    if unknown:
        got = f"{', '.join(unknown)} in {value}"
        raise ProblemError(f"expected an expression in the coordinates {', '.join(names)}, got the symbol {got}")
    expression = expression.xreplace({symbol: known[str(symbol)] for symbol in expression.free_symbols})
    return expression.doit() if expression.has(*_UNEVALUATED) else expression


def torch_function(expression: Any, names: Sequence[str]) -> TorchFunction:
    """Return an expression as a function of one tensor for each name, in order.

    The tensors broadcast; a constant is returned in their common shape and dtype, on their device. Raises ProblemError
    if a constant in the expression is not real and finite, or a function in it has no numerical counterpart.
    """
    together = torch_functions([expression], names)
    return lambda *columns: together(*columns)[0]


def torch_functions(expressions: Sequence[Any], names: Sequence[str]) -> Callable[..., list[Tensor]]:
    """Return several expressions as one function, which computes their common parts once."""
    return _compiled(tuple(real_expression(expression, names) for expression in expressions), tuple(names))


@lru_cache(maxsize=256)  # a problem's blocks are built several times
def _compiled(expressions: tuple[Any, ...], names: tuple[str, ...]) -> Callable[..., list[Tensor]]:
    """Return expressions in real symbols as one function."""
    program = _Program(names)
    results = [program.place(expression) for expression in expressions]
    steps = program.steps

    def function(*columns: Tensor) -> list[Tensor]:
        values: list[Any] = list(columns)
        for call, arguments in steps:
            values.append(call(*[values[i] for i in arguments]))
        shape = columns[0].shape
        if any(column.shape != shape for column in columns):
            shape = torch.Size(np.broadcast_shapes(*(column.shape for column in columns)))
        return [_shaped(values[result], shape, columns[0]) for result in results]

    return function


def _shaped(value: Any, shape: torch.Size, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value if value.shape == shape else value.expand(shape)
    return like.new_full(shape, value)


def function_of_points(expression: Any, names: Sequence[str], partial: MultiIndex = ()) -> PointFunction:
    """Return a partial derivative of an expression as a function of points (n, d)."""
    derivative = real_expression(expression, names)
    for axis in partial:
        derivative = sp.diff(derivative, symbols(names)[axis])
    function = torch_function(derivative, names)
    return lambda points: function(*points.unbind(-1))


def numpy_function(expression: Any, names: Sequence[str]) -> Callable[..., Array]:
    """Return an expression as a function of arrays or numbers, in float64; the shapes broadcast."""
    function = torch_function(expression, names)

    def call(*columns: npt.ArrayLike) -> Array:
        tensors = [torch.from_numpy(np.array(column, dtype=np.float64)) for column in columns]
        return np.array(function(*tensors).numpy(), dtype=np.float64)

    return call


class _Program:
    """The steps that compute an expression; a place is the number of an input's or a step's value."""

    def __init__(self, names: Sequence[str]) -> None:
        self.steps: list[tuple[Operation, tuple[int, ...]]] = []
        self._places: dict[Any, int] = {symbol: i for i, symbol in enumerate(symbols(names))}
        self._inputs = len(names)

    def _step(self, call: Operation, *arguments: int) -> int:
        self.steps.append((call, arguments))
        return self._inputs + len(self.steps) - 1

    def place(self, expression: Any) -> int:
        if expression not in self._places:
            self._places[expression] = self._compile(expression)
        return self._places[expression]

    def _compile(self, expression: Any) -> int:
        if not expression.free_symbols:
            value = _constant(expression)
            return self._step(lambda: value)
        if expression.is_Add:
            return self._step(add, *map(self.place, expression.args))
        if expression.is_Mul:
            return self._product(expression)
        if expression.is_Pow and not expression.exp.free_symbols:
            return self._step(power(_real(expression.exp)), self.place(expression.base))
        if expression.is_Pow:
            return self._step(operator.pow, *map(self.place, expression.args))
        if isinstance(expression, sp.Piecewise):
            return self._piecewise(expression)
        return self._step(operation(expression), *map(self._tensor, expression.args))

    def _product(self, expression: Any) -> int:
        # Division rounds once, and multiplication by a reciprocal rounds twice.
        below = [f for f in expression.args if f.is_Pow and f.exp.is_Number and f.exp.is_negative]
        above = [self.place(factor) for factor in expression.args if factor not in below]
        product = self._step(multiply, *above) if above else self.place(sp.S.One)
        for factor in below:
            product = self._step(operator.truediv, product, self.place(factor.base ** (-factor.exp)))
        return product

    def _piecewise(self, expression: Any) -> int:
        chosen = self._step(lambda column: column.new_full((), torch.nan), 0)
        for value, condition in reversed(expression.args):
            always = condition == sp.true
            place = self._tensor(value)
            chosen = place if always else self._step(torch.where, self.place(condition), place, chosen)
        return chosen

    def _tensor(self, expression: Any) -> int:
        """Return a place that holds a tensor, because only + - * / ** accept numbers."""
        if expression.free_symbols:
            return self.place(expression)
        value = _constant(expression)
        return self._step(lambda column: column.new_full((), value), 0)


def _real(expression: Any) -> Any:
    _constant(expression)
    return expression


def _constant(expression: Any) -> float:
    """Return the value of an expression without symbols; raise ProblemError if it is not a finite real number."""
    try:
        number = complex(sp.N(expression, 30))
    except (TypeError, ValueError) as error:
        raise ProblemError(f"expected a number, got {expression}: {error}") from None
    if not cmath.isfinite(number) or abs(number.imag) > 1e-25 * abs(number.real):
        raise ProblemError(f"expected finite real numbers, got {expression}; write the expression with real functions")
    return number.real
