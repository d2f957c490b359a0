"""Write the formulas of edges that are atoms as labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp
from matplotlib.textpath import TextPath

from kanpde.network.atom_functions import ATOMS

DIGITS = 3  # significant digits of the constants in a label
POINTS_PER_INCH = 72.0


def formula_label(name: str, constants: Sequence[float], argument: str) -> str:
    """Return c f(a h + b) + d in LaTeX with three digits, where h is `argument`; negligible b and d are left out."""
    a, b, c, d = constants
    inner = number(a) * sp.Symbol(argument) + number(b, against=a)
    formula = number(c) * ATOMS[name].sympy(inner) + number(d, against=c)
    return f"${sp.latex(formula, fold_short_frac=True)}$"


def name_label(name: str, argument: str) -> str:
    """Return the atom's name alone in LaTeX; the name of a power contains its argument."""
    latex_name, _, power = name.partition("^")
    if "x" in name.replace("exp", ""):
        return f"${name.replace('x', argument)}$"
    return rf"$\mathrm{{{latex_name}}}{f'^{power}' if power else ''}$"


def number(value: float, against: float | None = None) -> Any:
    """Round to three digits for SymPy; return zero if the value is negligible against `against`."""
    if against is not None and abs(value) < 10.0 ** (-DIGITS) * abs(against):
        return sp.Integer(0)
    nearest = float(f"{value:.{DIGITS}g}")
    return sp.Integer(int(nearest)) if nearest == int(nearest) and abs(nearest) < 1000 else sp.Float(nearest, DIGITS)


def width(text: str, size: float) -> float:
    """Return the width of a text of this font size, in inches."""
    return float(TextPath((0, 0), text, size=size).get_extents().width) / POINTS_PER_INCH
