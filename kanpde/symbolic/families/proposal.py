"""A proposed formula for one field: an expression, its constants, and how well it meets the field."""

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

# A term is left out if the misfit's square grows by less than this factor, or stays below the error's.
FORGIVEN = 2.0


@dataclass(frozen=True)
class Proposal:
    """`expression` in real coordinates and `constants`; `family` says which structure it came from."""

    family: str
    expression: sp.Expr
    constants: Mapping[sp.Symbol, float]
    misfit: float
    score: float

    def renamed(self, first: int) -> Proposal:
        """With constants numbered from `first`, so that the fields of a system share none."""
        new = {old: constant(first + i) for i, old in enumerate(self.constants)}
        numbers = {new[old]: value for old, value in self.constants.items()}
        return Proposal(self.family, self.expression.xreplace(new), numbers, self.misfit, self.score)


def constant(number: int) -> sp.Symbol:
    """The symbol of a constant."""
    return sp.Symbol(f"constant_{number}", real=True)


def evaluated(expression: sp.Expr, constants: Mapping[sp.Symbol, float], columns: Mapping[str, Array]) -> Array:
    """An expression at points given by coordinate; arrays broadcast. NaN where it has no finite constants."""
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
    """The sum of those terms, columns (n, m) of the design, that the target (n,) needs, as a proposal.

    Rows are weighted and the target's norm is one. `constants` are the nonlinear ones in the terms; `wrap` turns the
    sum into the field. The error is the target's, `count` how many numbers are taken to be known of it.
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
    """Backward elimination: the columns that are needed, their coefficients, and the norm of what is left.

    Leaving out column i adds c_i² / (G⁻¹)_ii to the misfit's square, G the columns' Gram matrix.
    """
    with np.errstate(all="ignore"):  # columns that overflow are left out
        scale = np.linalg.norm(design, axis=0)
    kept = [int(i) for i in np.flatnonzero(np.isfinite(scale) & (scale > 1e-300))]
    # One factorisation of the tall matrix; after it everything happens in its small triangle.
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
    """A nonlinear constant before it is numbered among those of the whole proposal."""
    return sp.Symbol(f"placeholder_{number}", real=True)
