"""Conversion of SymPy expressions to JSON and back, as trees of names and numbers that are never run as code."""

from __future__ import annotations

import cmath
import math
import re
from typing import Any

import sympy as sp
import torch

from kanpde.calculus.functions import OPERATIONS
from kanpde.errors import KanpdeError, reason, short

MAX_PARTS, MAX_DEPTH = 20_000, 100  # of a formula in a file; those that kanpde finds have some dozens of each

_CONSTANTS = {"pi": sp.pi, "E": sp.E, "I": sp.I, "EulerGamma": sp.EulerGamma, "GoldenRatio": sp.GoldenRatio}
_NAMES = {value: name for name, value in _CONSTANTS.items()}
# Operations that are built without evaluation, because evaluation would expand 2 (x + 1).
_PLAIN = {"Add": sp.Add, "Mul": sp.Mul, "Pow": sp.Pow}
_SIGNS = ("positive", "negative")
_RELATIONS = ("StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "And", "Or", "Not")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def to_tree(expression: Any) -> Any:
    """Return the tree of an expression: numbers, {"symbol": …} and lists [function, argument, …].

    Raise KanpdeError if a part is not a number, a real symbol or a function of SymPy.
    """
    if expression in (sp.true, sp.false):
        return bool(expression)
    if expression.is_Integer:
        return int(expression)
    if expression.is_Rational:
        return {"rational": [int(expression.p), int(expression.q)]}
    if expression.is_Float:
        return {"float": repr(float(expression))}
    if expression in _NAMES:
        return _NAMES[expression]
    if expression.is_Symbol:
        signs = {sign: True for sign in _SIGNS if getattr(expression, f"is_{sign}")}
        return {"symbol": expression.name, **signs}
    if isinstance(expression, sp.Piecewise):
        return ["Piecewise", *([to_tree(value), to_tree(where)] for value, where in expression.args)]
    name = expression.func.__name__
    if _function(name) is not expression.func:
        raise KanpdeError(f"expected functions of SymPy's in a formula that is to be saved, got {name} in {expression}")
    return [name, *map(to_tree, expression.args)]


def from_tree(tree: Any) -> Any:
    """Return the expression of a tree from `to_tree`.

    Nothing is evaluated by SymPy, because a file of somebody else's may ask for a factorial of a billion: the constants
    are checked in floating point. Raise KanpdeError if the tree is malformed, has more than MAX_PARTS parts in
    MAX_DEPTH levels, or has a constant that is not finite.
    """
    return _Reader().read(tree, 0)[0]


class _Reader:
    """One reading of a tree, which counts the parts."""

    def __init__(self) -> None:
        self._parts = 0

    def read(self, tree: Any, depth: int) -> tuple[Any, Any]:
        """Return the expression of a part, and its value as a float or complex number, None if it has symbols."""
        self._parts += 1
        if self._parts > MAX_PARTS or depth > MAX_DEPTH:
            raise KanpdeError(f"expected a formula of at most {MAX_PARTS} parts in {MAX_DEPTH} levels, got more")
        if not isinstance(tree, list):
            leaf = _leaf(tree)
            return leaf, None if leaf.free_symbols or leaf in (sp.true, sp.false) else _number(leaf)
        if not tree or not isinstance(tree[0], str):
            raise _wrong(tree)
        name, arguments = tree[0], tree[1:]
        if name == "Piecewise":
            if not all(isinstance(pair, list) and len(pair) == 2 for pair in arguments):
                raise _wrong(tree)
            return sp.Piecewise(*([self.read(part, depth + 1)[0] for part in pair] for pair in arguments)), None
        function = _function(name)
        if function is None:
            raise _wrong(name)
        found = [self.read(argument, depth + 1) for argument in arguments]
        parts, values = [part for part, _ in found], [value for _, value in found]
        if name in _RELATIONS:
            return _built(function, parts), None
        return _built(function, parts, evaluate=False), None if None in values else _value(name, function, values)


def _built(function: Any, parts: list[Any], **options: bool) -> Any:
    try:
        return function(*parts, **options)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        got = f"{function.__name__} of {short(parts)}"
        raise KanpdeError(f"expected an expression, got {got}: {reason(error)}") from None


def _number(leaf: Any) -> Any:
    """Return a number as a float, or as a complex number."""
    value = complex(leaf) if leaf is sp.I else float(leaf)
    if not cmath.isfinite(value):
        raise KanpdeError("expected finite numbers in a formula, got one of more than 300 digits")
    return value


def _value(name: str, function: Any, values: list[Any]) -> Any:
    """Return a constant's value; raise KanpdeError if it is not finite or the function has no numerical counterpart."""
    try:
        if name == "Add":
            value = sum(values)
        elif name == "Mul":
            value = math.prod(values)
        elif name == "Pow":
            value = values[0] ** values[1]
        elif any(isinstance(value, complex) for value in values) or function not in OPERATIONS:
            raise KanpdeError(f"expected functions of real numbers that kanpde computes in a constant, got {name}")
        else:
            value = float(OPERATIONS[function](*(torch.tensor(value, dtype=torch.float64) for value in values)))
        finite = cmath.isfinite(value)
    except (ArithmeticError, ValueError):
        finite = False
    if not finite:
        raise KanpdeError(f"expected finite constants in a formula, got {name} of {', '.join(map(str, values))}")
    return value


def _leaf(tree: Any) -> Any:
    match tree:
        case bool():
            return sp.true if tree else sp.false
        case int():
            return sp.Integer(tree)
        case str() if tree in _CONSTANTS:
            return _CONSTANTS[tree]
        case {"rational": [int(p), int(q)]} if q != 0:
            return sp.Rational(p, q)
        case {"float": str(text)} if _NUMBER.fullmatch(text):
            return sp.Float(float(text))
        case {"symbol": str(name)} if name.isidentifier() and len(name) < 100:
            signs = {sign: True for sign in _SIGNS if tree.get(sign) is True}
            return sp.Symbol(name, real=True, **signs)
    raise _wrong(tree)


def _function(name: str) -> Any:
    """Return the arithmetic operation, relation or SymPy function with this name; None if the name is unknown."""
    if name in _PLAIN:
        return _PLAIN[name]
    found = getattr(sp, name, None)
    known = isinstance(found, type) and (issubclass(found, (sp.Function, sp.Min, sp.Max)) or name in _RELATIONS)
    return found if known and name not in ("Function", "Lambda", "WildFunction") else None


def _wrong(tree: Any) -> KanpdeError:
    return KanpdeError(f"expected the tree of an expression, got {str(tree)[:60]!r}")
