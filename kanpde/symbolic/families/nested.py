"""Factors that are compositions v(s) = g(w(s)): g an exponential, reciprocal or root, w a sum of library functions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import sympy as sp

from kanpde.symbolic.families.proposal import eliminate
from kanpde.symbolic.structure.atoms import VARIABLE, Basis, polynomials
from kanpde.symbolic.structure.factors import Subspace, closures, subspace
from kanpde.symbolic.structure.outer_functions import peel
from kanpde.symbolic.structure.sampled import Sampled
from kanpde.symbolic.structure.span_search import alone, target_of
from kanpde.symbolic.structure.variable_projection import Fit, fit

# Inverses of the g that absorb a factor's arbitrary scale: g(c w) = c' g(w), or exp(c + w) = e^c exp(w).
SCALE_FREE = ("log u", "1/u", "u^2", "sqrt u")
# The largest degree of a polynomial w, and the largest number of terms in a sum.
LARGEST_DEGREE, MOST = 4, 5
# The largest misfit of a sum: a multiple of the error of w, but at least the second number.
LEFT, LEAST = 30.0, 1e-7


def nested(space: Subspace, error: float) -> list[Fit]:
    """Return fits of a one-dimensional space, one for each g; an empty list for any other rank."""
    if space.rank != 1:
        return []
    columns = (space.functions[:, 0], (space.first[:, 0],), (space.second[:, 0],))
    factor = Sampled((VARIABLE.name,), (space.nodes,), (space.weights,), *columns, error)
    found = []
    for name, w, back in peel(factor):
        if name.replace("(-u)", "u") in SCALE_FREE and w.finite and w.norm() > 0:
            for expression, constants in sums(w):
                scaled = _scaled(expression, constants, name.startswith("log"))
                basis = Basis(f"{name} of sums", (sp.powsimp(back(scaled[0])),), tuple(scaled[1]))
                if basis.parameters:
                    found += fit(target_of(space), (basis,), np.array([[*scaled[1].values()]]))
    return found


def sums(w: Sampled) -> Iterator[tuple[sp.Expr, dict[sp.Symbol, float]]]:
    """Yield the best sum of library functions for w with all of its constants, if its misfit is small enough."""
    inner = subspace(w, 0, 1)
    target = target_of(inner)
    fits = [f for bases, start in closures(inner) for f in fit(target, bases, start[None])]
    fits += alone(target, polynomials(LARGEST_DEGREE))
    near = [f for f in fits if f.misfit <= max(LEFT * w.error, LEAST)]
    if not near:
        return
    best = min(near, key=lambda f: (f.size, f.misfit))
    names = [sp.Symbol(f"q{k}", real=True) for k in range(len(best.parameters))]
    constants = dict(zip(names, map(float, best.parameters), strict=True))
    functions = best.functions(VARIABLE, names)
    values = sp.lambdify(VARIABLE, [f.subs(constants) for f in functions], "numpy")(w.nodes[0])
    design = np.sqrt(w.weights[0])[:, None] * np.stack([np.broadcast_to(v, w.values.shape) for v in values], axis=1)
    kept, coefficients, _ = eliminate(design / w.norm(), np.sqrt(w.weights[0]) * w.values / w.norm(), w.error)
    if not kept or len(kept) > MOST:
        return
    total = sp.S.Zero
    for place, value in zip(kept, coefficients, strict=True):
        symbol = sp.Symbol(f"r{place}", real=True)
        constants[symbol] = float(value)
        total += symbol * functions[place]
    yield total, {symbol: value for symbol, value in constants.items() if total.has(symbol)}


def _scaled(
    expression: sp.Expr, constants: dict[sp.Symbol, float], additive: bool
) -> tuple[sp.Expr, dict[sp.Symbol, float]]:
    """Remove the constant that duplicates the factor's scale: an addend under exp, else the largest coefficient."""
    outer = {symbol: value for symbol, value in constants.items() if symbol.name.startswith("r")}
    if additive:
        alone_ = [symbol for symbol in outer if sp.diff(expression, symbol) == 1]
        changed = expression.subs(dict.fromkeys(alone_, 0))
    else:
        largest = max(outer, key=lambda symbol: abs(outer[symbol]))
        sign = sp.sign(outer[largest])
        changed = expression.subs(largest, sign)
        constants = {s: v / abs(outer[largest]) if s in outer else v for s, v in constants.items()}
    return changed, {symbol: value for symbol, value in constants.items() if changed.has(symbol)}
