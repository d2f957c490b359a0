"""Taylor models of a sum of products of one spline for each of two coordinates, Σ_k β_k f_k(x) g_k(y), all k at once.

On a grid of cells the coefficients are a product of matrices, A diag(β) Bᵀ, whose rounding errors are at most
γ |A| |diag β| |B|ᵀ (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.precision import TINY, UPWARD, product_of_matrices, sizes, zeros
from kanpde.calculus.taylor_models import TaylorModel

Factor = dict[MultiIndex, TaylorModel]  # partials of a spline along its own axis; those that are missing vanish


@dataclass(frozen=True)
class Stacked:
    """A derivative of all K splines along one axis: coefficients (cells, degrees, K); norm and error (cells, K)."""

    coefficients: Array
    norm: Array
    error: Array

    @classmethod
    def of(cls, factors: Sequence[Factor], partial: MultiIndex, axis: int) -> Stacked:
        """Stack one derivative of all factors along an axis of two."""
        models = [factor.get(partial) for factor in factors]
        cells = max(factor[()].error.shape[axis] for factor in factors)
        size = max((m.degrees[axis] for m in models if m is not None), default=1)
        kinds = (model.coefficients for model in models if model is not None)
        coefficients, error = zeros((cells, size, len(models)), *kinds), np.zeros((cells, len(models)))
        for k, model in enumerate(models):
            if model is not None:
                degrees = model.degrees[axis]
                coefficients[:, :degrees, k] = model.coefficients.reshape(-1, degrees)
                error[:, k] = model.error.reshape(-1)
        return cls(coefficients, UPWARD * sizes(coefficients).sum(axis=1), error)

    @property
    def bound(self) -> Array:
        return np.asarray(UPWARD * (self.norm + self.error))


def product_sum(left: Stacked, right: Stacked, weights: Array) -> TaylorModel:
    """Return the model of Σ_k β_k f_k g_k on all cells, for `weights` β (K,)."""
    a, b = left.coefficients * weights, right.coefficients
    factors = sizes(weights)
    rows, rounding = product_of_matrices(
        a.reshape(-1, a.shape[2]), b.reshape(-1, b.shape[2]).T, (left.norm * factors, right.norm)
    )
    coefficients = rows.reshape(*a.shape[:2], *b.shape[:2]).transpose(0, 2, 1, 3)
    error = (left.error * factors) @ right.bound.T + (left.norm * factors) @ right.error.T
    return TaylorModel(np.ascontiguousarray(coefficients), UPWARD * (rounding + error + TINY))


def bound_sum(left: Stacked, right: Stacked, weights: Array) -> Array:
    """Return bounds of Σ_k w_k |f_k| |g_k| on all cells, for weights w ≥ 0 (K,)."""
    return np.asarray(UPWARD * ((left.bound * weights) @ right.bound.T))
