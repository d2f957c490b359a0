"""Conversion of SymPy expressions to JSON and back, as trees of names and numbers that are never run as code."""

from __future__ import annotations

import re
from typing import Any

import sympy as sp

from kanpde.errors import KanpdeError

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
    """Return the expression of a tree from `to_tree`. Raise KanpdeError if the tree is malformed."""
    if isinstance(tree, bool):
        return sp.true if tree else sp.false
    if isinstance(tree, int):
        return sp.Integer(tree)
    if isinstance(tree, str) and tree in _CONSTANTS:
        return _CONSTANTS[tree]
    if isinstance(tree, dict):
        return _leaf(tree)
    if not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
        raise _wrong(tree)
    name, arguments = tree[0], tree[1:]
    if name == "Piecewise":
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in arguments):
            raise _wrong(tree)
        return sp.Piecewise(*((from_tree(value), from_tree(where)) for value, where in arguments))
    function = _function(name)
    if function is None:
        raise _wrong(name)
    parts = [from_tree(argument) for argument in arguments]
    try:
        return function(*parts, evaluate=False) if name in _PLAIN else function(*parts)
    except (TypeError, ValueError) as error:
        raise KanpdeError(f"expected an expression, got {name} of {parts}: {error}") from None


def _leaf(tree: dict[str, Any]) -> Any:
    match tree:
        case {"rational": [int(p), int(q)]} if q != 0:
            return sp.Rational(p, q)
        case {"float": str(text)} if _NUMBER.fullmatch(text):
            return sp.Float(float(text))
        case {"symbol": str(name)} if name.isidentifier():
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
