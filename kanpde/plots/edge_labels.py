"""The formulas of named edges, as they are written beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp
from matplotlib.textpath import TextPath

from kanpde.calculus.functions import ATOMS

DIGITS = 3
POINTS = 72.0  # to an inch


def formula_label(name: str, constants: Sequence[float], argument: str) -> str:
    """c f(a h + b) + d with three digits, h being `argument`; numbers that are nothing against the others left out."""
    a, b, c, d = constants
    inner = number(a) * sp.Symbol(argument) + number(b, against=a)
    formula = number(c) * ATOMS[name].sympy(inner) + number(d, against=c)
    return f"${sp.latex(formula, fold_short_frac=True)}$"


def name_label(name: str, argument: str) -> str:
    """The atom's name alone, as mathematics; of powers with their argument in it."""
    letters, _, power = name.partition("^")
    if "x" in name.replace("exp", ""):
        return f"${name.replace('x', argument)}$"
    return rf"$\mathrm{{{letters}}}{f'^{power}' if power else ''}$"


def number(value: float, against: float | None = None) -> Any:
    """A number of three digits for SymPy, zero where it is nothing against another."""
    if against is not None and abs(value) < 10.0 ** (-DIGITS) * abs(against):
        return sp.Integer(0)
    nearest = float(f"{value:.{DIGITS}g}")
    return sp.Integer(int(nearest)) if nearest == int(nearest) and abs(nearest) < 1000 else sp.Float(nearest, DIGITS)


def width(text: str, size: float) -> float:
    """How wide a text of this font size is, in inches."""
    return float(TextPath((0, 0), text, size=size).get_extents().width) / POINTS
