"""Five functions on a square with different difficulties, on which networks are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array

SAMPLES, TESTS = 1000, 1000

FUNCTIONS: Mapping[str, Callable[[Array, Array], Any]] = {
    "polynomial": lambda x, y: x**2 + 2 * x * y - y**3,
    "trigonometric": lambda x, y: np.sin(np.pi * x) * np.cos(np.pi * y),
    "exponential": lambda x, y: np.exp(np.sin(np.pi * x) + y**2),
    "discontinuous": lambda x, y: np.sign(x) * (1 + y**2),
    "high frequency": lambda x, y: np.sin(8 * np.pi * x) + 0.5 * np.cos(6 * np.pi * y),
}


def samples_of(name: str, count: int, seed: int) -> tuple[Array, Array]:
    """Return random points (count, 2) in [−1, 1]² and the function's values there, (count,)."""
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 2))
    return points, np.asarray(FUNCTIONS[name](*points.T))
