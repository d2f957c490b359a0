"""Limits of spans as a rate vanishes: exp(b g) becomes a constant, 1 and exp(b g) become 1 and g.

Noise moves a rate that is zero, and then a span of exponentials or waves imitates a polynomial in g with large
coefficients that cancel. The limit has fewer constants, and the criterion tells whether it fits as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import numpy_function
from kanpde.symbolic.structure.atoms import VARIABLE, B, Basis
from kanpde.symbolic.structure.factors import polynomial
from kanpde.symbolic.structure.variable_projection import Fit, Target, fit

# The multiple of the relative error below which (b · range of g)², which a rate b adds to its limit, may be noise.
SLOW = 30.0


def limits(target: Target, found: Fit, error: float) -> Iterator[Fit]:
    """Yield the fit of the span in which the slow exponentials and waves of each argument g have rates of zero."""
    starts = np.cumsum([len(basis.parameters) for basis in found.bases])[:-1]
    parts = [*zip(found.bases, np.split(found.parameters, starts), strict=True)]
    slow = [argument(basis) if vanishes(target, basis, own, error) else None for basis, own in parts]
    for g in dict.fromkeys(slow):
        if g is None:
            continue
        gone = [basis for (basis, _), inner in zip(parts, slow, strict=True) if inner == g or is_polynomial(basis, g)]
        kept = [part for part, inner in zip(parts, slow, strict=True) if inner != g and not is_polynomial(part[0], g)]
        # A polynomial in another argument would have the constant function twice.
        if not any(basis.functions[0] == 1 and not basis.parameters for basis, _ in kept):
            bases = (*polynomial(sum(len(basis.functions) for basis in gone) - 1, g), *(basis for basis, _ in kept))
            yield from fit(target, bases, np.concatenate([np.zeros(0), *(own for _, own in kept)])[None])


def is_polynomial(basis: Basis, g: sp.Expr) -> bool:
    """Return True if a basis is 1, g, …, g^m."""
    return basis.functions == tuple(g**k for k in range(len(basis.functions)))


def vanishes(target: Target, basis: Basis, parameters: Array, error: float) -> bool:
    """Return True if a basis is one of exponentials or waves whose rate may be zero."""
    g = argument(basis)
    if g is None:
        return False
    values = numpy_function(g, (VARIABLE.name,))(target.variable.numpy())
    return bool((float(parameters[0]) * np.ptp(values)) ** 2 < SLOW * error)


def argument(basis: Basis) -> sp.Expr | None:
    """Return g of a basis of functions of b g alone, None if it is another one."""
    if basis.parameters != (B,) or not all(isinstance(f, (sp.exp, sp.sin, sp.cos)) for f in basis.functions):
        return None
    inner = {function.args[0] for function in basis.functions}
    g = sp.expand(inner.pop() / B)
    return None if inner or g.has(B) else g
