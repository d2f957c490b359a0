"""Write SymPy equations and expressions as text, in the form in which `kanpde.calculus.text` reads them."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from kanpde.errors import ProblemError


def equation_text(equation: Any, coordinates: tuple[str, ...]) -> str:
    """Return an equation as text: a text unchanged; in one of SymPy's u(x, t) is written u, and its derivatives u_t.

    Raises ProblemError if an unknown function has other arguments than all coordinates, or the equation is no text and
    no equation or expression of SymPy's.
    """
    if isinstance(equation, str):
        return equation
    if isinstance(equation, sp.Eq):
        equation = equation.lhs - equation.rhs
    if not isinstance(equation, sp.Expr):
        raise ProblemError(
            f"expected an equation as text or of SymPy's, got {equation!r} of type {type(equation).__name__}"
        )
    expanded = equation.doit()
    swaps: dict[Any, Any] = {}
    for part in [*expanded.atoms(sp.Derivative), *expanded.atoms(AppliedUndef)]:
        swaps[part] = sp.Symbol(_partial_text(part, coordinates))
    return written(expanded.xreplace(swaps))


def _partial_text(part: Any, coordinates: tuple[str, ...]) -> str:
    """Return u(x, t) as u, and a derivative of it as u_xt, or as u_r_theta if a name is long."""
    function, variables = (part.expr, part.variables) if isinstance(part, sp.Derivative) else (part, ())
    if not isinstance(function, AppliedUndef) or sorted(map(str, function.args)) != sorted(coordinates):
        known = ", ".join(coordinates)
        raise ProblemError(f"expected unknown functions of the coordinates, such as u({known}), got {function}")
    words = sorted(map(str, variables))
    short = all(len(word) == 1 for word in words)
    return "_".join([str(function.func), *(["".join(words)] if words and short else words)])


def written(expression: Any) -> str:
    """Return a number or SymPy expression as text, with its floating-point numbers complete; a text unchanged.

    Raises ProblemError for other types.
    """
    if isinstance(expression, str):
        return expression
    if isinstance(expression, bool) or not isinstance(expression, (sp.Expr, numbers.Real, np.number)):
        got = f"{expression!r} of type {type(expression).__name__}"
        raise ProblemError(f"expected text, a SymPy expression or a number, got {got}")
    return str(exact_decimals(sp.sympify(expression, strict=True)))


def exact_decimals(expression: Any) -> Any:
    """Return an expression with the shortest decimal fractions in place of its floating-point numbers."""
    return expression.xreplace({number: sp.Rational(repr(float(number))) for number in expression.atoms(sp.Float)})
