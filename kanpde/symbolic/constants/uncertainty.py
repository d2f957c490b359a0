"""How certain constants are that were fitted to samples with noise: their deviations, alone and together."""

from __future__ import annotations

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.symbolic.constants.fit import Fit


def deviations(fit: Fit, samples: int) -> dict[str, float]:
    """Return the standard deviation of every constant of a fit to so many samples with noise.

    The rows are divided by the root of their number, so the spread that they allow is that of a single sample.
    """
    return {name: spread / freedom(fit, samples) ** 0.5 for name, spread in fit.spread.items()}


def precision(fit: Fit, samples: int) -> Array | None:
    """Return the root R (P, P) of the information of so many samples, None if the rows are not finite.

    A change δ of the constants adds ‖R δ‖² to the misfit, in variances of the noise.
    """
    return None if fit.certainty is None else fit.certainty * freedom(fit, samples) ** 0.5


def freedom(fit: Fit, samples: int) -> int:
    """Return the degrees of freedom that the constants leave."""
    return max(1, samples - len(fit.constants))


def deviations_of(root: Array) -> Array:
    """Return the standard deviation (P,) of each constant if the others are unknown, infinite if nothing is known."""
    _, sizes, right = np.linalg.svd(root)
    sizes = np.pad(sizes, (0, len(right) - len(sizes)))
    inverse = np.divide(1.0, sizes, out=np.full_like(sizes, np.inf), where=sizes > 0)
    parts = np.multiply(right.T, inverse, out=np.zeros_like(right), where=right.T != 0)
    return np.asarray(np.linalg.norm(parts, axis=1))
