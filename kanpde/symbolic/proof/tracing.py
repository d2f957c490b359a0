"""Read torch code as mathematics: run it once on objects that build SymPy expressions instead of computing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.functions import HEADS
from kanpde.errors import ProblemError
from kanpde.problem.field import parse_partial
from kanpde.symbolic.constants.recognition import exact_number


class Untraceable(ProblemError):
    """The code has an operation without a counterpart in a formula."""


class Traced:
    """An expression in place of a tensor: arithmetic and torch functions build larger expressions."""

    # These make NumPy's and SymPy's numbers leave arithmetic to this class.
    __array_ufunc__ = None
    _op_priority = 1000.0

    def __init__(self, expression: Any) -> None:
        self._expression = expression

    def _sympy_(self) -> Any:
        return self._expression

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return apply(getattr(function, "__name__", str(function)), args, kwargs or {})

    def __getattr__(self, word: str) -> Any:
        if word.startswith("_"):
            raise AttributeError(word)
        if word not in FUNCTIONS:
            raise Untraceable(f"the code asks for .{word} of its numbers, which no formula has")
        return lambda *others, **options: apply(word, (self, *others), options)

    def _no_number(self) -> Any:
        raise Untraceable("the code needs its numbers themselves, in a test, a conversion or an index")

    __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = _no_number

    def __repr__(self) -> str:
        return f"Traced({expression_of(self)})"


class TracedField(Traced):
    """``u`` in a residual: it looks its partials up, and every other operation applies to its values."""

    def __init__(self, names: tuple[str, ...], lookup: Callable[[MultiIndex], Any]) -> None:
        super().__init__(None)
        self._names, self._lookup = names, lookup

    def _sympy_(self) -> Any:
        return self._lookup(())

    def d(self, *coordinates: str) -> Traced:
        """Return the partial derivative along these coordinates."""
        return Traced(self._lookup(tuple(sorted(self._names.index(c) for c in coordinates))))

    def __getattr__(self, word: str) -> Any:
        partial = None if word.startswith("_") else parse_partial(word, self._names)
        return super().__getattr__(word) if partial is None else Traced(self._lookup(partial))


def expression_of(value: Any) -> Any:
    """Return the exact expression of a traced value, a number, or a tensor with one distinct number."""
    if isinstance(value, (Traced, sp.Basic)):
        return value._sympy_() if isinstance(value, Traced) else value
    if isinstance(value, (Tensor, np.ndarray)):
        flat = value.reshape(-1)
        if not len(flat) or bool((flat != flat[0]).any()):
            raise Untraceable("the code uses an array of different numbers")
        return exact_number(flat[0].item())
    if isinstance(value, bool):
        return sp.true if value else sp.false
    return exact_number(value)


def apply(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Traced:
    """Apply a torch function or method, given by its name, to traced arguments."""
    word = name.strip("_").removeprefix("special_").removesuffix("_")
    if word not in FUNCTIONS:
        raise Untraceable(f"torch's {word} has no counterpart in a formula")
    known = {key: value for key, value in options.items() if key not in ("dtype", "device", "out")}
    return Traced(FUNCTIONS[word](*map(expression_of, args), **{k: expression_of(v) for k, v in known.items()}))


def _minus(a: Any, b: Any, alpha: Any = 1) -> Any:
    return a - alpha * b


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    x = x if min is None else sp.Max(x, min)
    return x if max is None else sp.Min(x, max)


def _where(condition: Any, a: Any, b: Any) -> Any:
    return sp.Piecewise((a, condition), (b, True))


def _called_alike() -> dict[str, Any]:
    """Return the functions of the table that torch has, by their names in torch."""
    named = {getattr(row.torch, "__name__", ""): row for row in HEADS.values()}
    return {word: row.sympy for word, row in named.items() if row.torch is getattr(torch, word, None)}


_ALIKE = _called_alike()
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **_ALIKE,
    **{"arc" + word[1:]: function for word, function in _ALIKE.items() if word[0] == "a" and word != "abs"},
    "sqrt": sp.sqrt, "gamma": sp.gamma, "absolute": sp.Abs, "sgn": sp.sign,
    "rsqrt": lambda x: 1 / sp.sqrt(x), "square": lambda x: x**2, "reciprocal": lambda x: 1 / x,
    "exp2": lambda x: 2**x, "expm1": lambda x: sp.exp(x) - 1, "log1p": lambda x: sp.log(1 + x),
    "log2": lambda x: sp.log(x, 2), "log10": lambda x: sp.log(x, 10), "expit": lambda x: 1 / (1 + sp.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + sp.exp(-x)), "softplus": lambda x: sp.log(1 + sp.exp(x)),
    "sinc": lambda x: sp.sinc(sp.pi * x), "hypot": lambda x, y: sp.sqrt(x**2 + y**2),
    "bessel_j0": lambda x: sp.besselj(0, x), "bessel_j1": lambda x: sp.besselj(1, x),
    "minimum": sp.Min, "maximum": sp.Max, "min": sp.Min, "max": sp.Max, "relu": lambda x: sp.Max(x, 0),
    "clamp": _clamp, "clip": _clamp, "where": _where, "heaviside": sp.Heaviside,
    "ones_like": lambda x: sp.S.One, "zeros_like": lambda x: sp.S.Zero, "full_like": lambda x, fill_value: fill_value,
    "clone": lambda x: x, "detach": lambda x: x, "double": lambda x: x, "to": lambda x, *_: x,
    "neg": operator.neg, "negative": operator.neg, "pos": operator.pos, "positive": operator.pos,
    "lt": sp.StrictLessThan, "le": sp.LessThan, "gt": sp.StrictGreaterThan, "ge": sp.GreaterThan,
    "logical_and": sp.And, "logical_or": sp.Or, "logical_not": sp.Not, "and": sp.And, "or": sp.Or, "invert": sp.Not,
    "add": lambda a, b, alpha=1: a + alpha * b, "sub": _minus, "subtract": _minus, "rsub": lambda a, b: b - a,
    "radd": operator.add, "mul": operator.mul, "multiply": operator.mul, "rmul": operator.mul,
    "div": operator.truediv, "divide": operator.truediv, "true_divide": operator.truediv, "truediv": operator.truediv,
    "rdiv": lambda a, b: b / a, "rtruediv": lambda a, b: b / a, "pow": operator.pow, "rpow": lambda a, b: b**a,
    "float_power": operator.pow, "remainder": sp.Mod, "mod": sp.Mod, "fmod": sp.Mod,
}  # fmt: skip


def _operator(word: str) -> Callable[..., Any]:
    def operate(self: Traced, *others: Any) -> Any:
        try:
            return apply(word, (self, *others), {})
        except TypeError:
            return NotImplemented

    operate.__name__ = f"__{word}__"
    return operate


_OPERATORS = "add radd sub rsub mul rmul truediv rtruediv pow rpow mod neg pos abs lt le gt ge and or invert"
for _word in _OPERATORS.split():
    setattr(Traced, f"__{_word}__", _operator(_word))
