"""Solve c' = L c + N(c) with diagonal L by exponential time differencing of fourth order (ETDRK4).

Sources: Cox and Matthews, J. Comput. Phys. 176 (2002) 430; the weights as contour integrals: Kassam and Trefethen, SIAM
J. Sci. Comput. 26 (2005) 1214.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def exponential_weights(linear: Array, step: float, points: int = 64) -> tuple[Array, ...]:
    """Return the weights of ETDRK4 as means over a circle around step * linear, because their formulas cancel at 0."""
    z = step * linear[:, None] + np.exp(2j * np.pi * (np.arange(points) + 0.5) / points)
    formulas = (
        (np.exp(z / 2) - 1) / z,
        (-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3,
        2 * (2 + z + np.exp(z) * (z - 2)) / z**3,
        (-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3,
    )
    means = (step * formula.mean(axis=1) for formula in formulas)
    return tuple(mean.real if np.isrealobj(linear) else mean for mean in means)


def march(
    linear: Array,
    nonlinear: Callable[[Array], Array],
    state: Array,
    times: Array,
    substeps: int,
) -> Array:
    """Return the states of c' = linear c + nonlinear(c) at `times`, with `substeps` steps between two times."""
    states, step = [state], np.inf
    for length in np.diff(times):
        if not np.isclose(step, length / substeps, rtol=1e-12, atol=0):
            step = length / substeps
            whole, half = np.exp(step * linear), np.exp(step * linear / 2)
            stage, first, middle, last = exponential_weights(linear, step)
        for _ in range(substeps):
            at_start = nonlinear(state)
            guess = half * state + stage * at_start
            at_half = nonlinear(guess)
            at_half_again = nonlinear(half * state + stage * at_half)
            at_end = nonlinear(half * guess + stage * (2 * at_half_again - at_start))
            state = whole * state + first * at_start + middle * (at_half + at_half_again) + last * at_end
        states.append(state)
    return np.array(states)
