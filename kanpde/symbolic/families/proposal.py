"""A proposed formula for one field: an expression, its constants, its misfit and its score."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import numpy_function
from kanpde.errors import ProblemError
from kanpde.symbolic.structure.span_search import criterion

Constants = dict[sp.Symbol, float]

# A term is removed if the squared misfit grows by less than this factor, or stays below the squared error.
FORGIVEN = 2.0


@dataclass(frozen=True)
class Proposal:
    """An `expression` in the real coordinates and `constants`; `family` names the structure that it comes from.

    `misfit` is the relative L2 distance from the field, `score` the information criterion.
    """

    family: str
    expression: sp.Expr
    constants: Mapping[sp.Symbol, float]
    misfit: float
    score: float

    def renamed(self, first: int) -> Proposal:
        """Renumber the constants from `first`, so that the fields of a system have distinct constants."""
        new = {old: constant(first + i) for i, old in enumerate(self.constants)}
        numbers = {new[old]: value for old, value in self.constants.items()}
        return Proposal(self.family, self.expression.xreplace(new), numbers, self.misfit, self.score)


def constant(number: int) -> sp.Symbol:
    """Return the symbol of a constant."""
    return sp.Symbol(f"constant_{number}", real=True)


def evaluated(expression: sp.Expr, constants: Mapping[sp.Symbol, float], columns: Mapping[str, Array]) -> Array:
    """Evaluate an expression on broadcast arrays of coordinates; return NaN if it cannot be evaluated numerically."""
    fixed = expression.subs({symbol: sp.Float(value, 17) for symbol, value in constants.items()})
    try:
        return numpy_function(fixed, tuple(columns))(*columns.values())
    except ProblemError:
        return np.full(np.broadcast_shapes(*map(np.shape, columns.values())), np.nan)


def linear(
    family: str,
    terms: Sequence[sp.Expr],
    constants: Constants,
    design: Array,
    target: Array,
    error: float,
    count: int,
    wrap: Callable[[sp.Expr], sp.Expr] = lambda expression: expression,
) -> Proposal | None:
    """Return the sum of the terms that backward elimination keeps as a proposal, or None if it keeps no term.

    `design` (n, m) holds the terms as columns and `target` (n,) has the norm one; the rows of both are weighted.
    `constants` are the nonlinear ones in the terms, and `wrap` maps the sum to the field. `error` is the relative error
    of the target and `count` its number of independent samples.
    """
    kept, coefficients, misfit = eliminate(design, target, error)
    if not kept:
        return None
    numbers = itertools.count()
    found: Constants = {}
    total = sp.S.Zero
    for place, value in zip(kept, coefficients, strict=True):
        symbol = constant(next(numbers))
        found[symbol] = float(value)
        total += symbol * terms[place]
    whole = wrap(total)
    inner = {old: constant(next(numbers)) for old in constants if old in whole.free_symbols}
    found.update((new, constants[old]) for old, new in inner.items())
    return Proposal(family, whole.xreplace(inner), found, misfit, criterion(misfit, len(found), count, error))


def eliminate(design: Array, target: Array, error: float) -> tuple[list[int], Array, float]:
    """Return the columns that backward elimination keeps, their coefficients, and the norm of the residual.

    The removal of column i adds c_i² / (G⁻¹)_ii to the squared misfit, where G is the Gram matrix of the columns.
    """
    with np.errstate(all="ignore"):  # columns that overflow are removed below
        scale = np.linalg.norm(design, axis=0)
    kept = [int(i) for i in np.flatnonzero(np.isfinite(scale) & (scale > 1e-300))]
    # One QR factorisation of the tall matrix reduces every later step to its small triangle.
    triangle: Array = np.linalg.qr(np.column_stack([design[:, kept] / scale[kept], target]), mode="r")  # type: ignore[assignment]
    outside = float(triangle[-1, -1] ** 2) if len(triangle) > len(kept) else 0.0
    matrix, right = triangle[: len(kept), : len(kept)], triangle[: len(kept), -1]
    limit = None
    while kept:
        inverse = np.linalg.pinv(matrix, rcond=1e-13)
        coefficients = inverse @ right
        left = outside + float(np.sum(np.square(right - matrix @ coefficients)))
        limit = max(FORGIVEN * left, error**2) if limit is None else limit
        added = coefficients**2 / np.maximum(np.sum(inverse**2, axis=1), 1e-300)
        least = int(np.argmin(added))
        if left + added[least] > limit:
            return kept, coefficients / scale[kept], float(np.sqrt(left))
        del kept[least]
        matrix = np.delete(matrix, least, axis=1)
    return [], np.zeros(0), 1.0


def placeholder(number: int) -> sp.Symbol:
    """Return the symbol of a nonlinear constant that has no number in the whole proposal yet."""
    return sp.Symbol(f"placeholder_{number}", real=True)
