"""Even functions of a root, which are entire functions of what is under it: cos √q, J₀(√q), sin(√q)/√q, J₂(√q)/q.

    f(z) = z^n g(z²) with an entire g:  cos, cosh (n = 0), sin, sinh, erf (n = 1), J_n and I_n of a whole order n

(NIST Digital Library of Mathematical Functions, 10.2.2 and 10.25.2). So J₂(k r) cos 2θ is smooth at r = 0.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

_ORDERS = {sp.cos: 0, sp.cosh: 0, sp.sin: 1, sp.sinh: 1, sp.erf: 1}


def without_roots(expression: Any) -> tuple[Any, list[Any]]:
    """Return the expression with a symbol for every g(q), and the q, of which they are entire functions."""
    found: dict[Any, Any] = {}
    inside = []
    for part in expression.atoms(sp.Function):
        order = _order(part)
        root = None if order is None else _root(part.args[-1])
        if order is not None and root is not None:
            found[part] = root**order * sp.Dummy("entire", real=True)
            inside.append(root**2)
    return expression.xreplace(found), inside


def _order(function: Any) -> int | None:
    """Return n if the function is z^n times an entire function of z², else None."""
    if isinstance(function, (sp.besselj, sp.besseli)):
        order = function.args[0]
        return int(order) if order.is_Integer and order >= 0 else None
    return _ORDERS.get(function.func)


def _root(argument: Any) -> Any | None:
    """Return √q if the argument is a number times √q, else None."""
    _, factor = argument.as_independent(*argument.free_symbols, as_Add=False)
    return factor if factor.is_Pow and factor.exp == sp.Rational(1, 2) else None
