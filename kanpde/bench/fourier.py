"""Solve the shipped nonlinear evolutions on a circle by Fourier modes in space and ETDRK4 in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kanpde.bench.etdrk4 import march
from kanpde.bench.task import Evaluate
from kanpde.calculus.arrays import Array
from kanpde.problem.boundary_values import value_function
from kanpde.problem.problem import Problem

Modes = npt.NDArray[Any]
Transform = Callable[[Array], Modes]


def transport(problem: Any, u: Array, modes: Transform, wavenumber: Array) -> Modes:
    """Return the modes of −u u_x = −(u²)_x / 2 without the upper third, which aliasing of u² would spoil."""
    return np.where(wavenumber < 2 / 3 * wavenumber[-1], -0.5j * wavenumber, 0) * modes(u**2)


@dataclass(frozen=True)
class Evolution:
    """u_t = L u + N(u): `linear` is L by wavenumber, `rest` computes the modes of N(u) from u on the grid.

    `resolutions` are pairs (points, steps between two times) that balance the errors of space and time.
    """

    linear: Callable[[Any, Array], Modes]
    rest: Callable[[Any, Array, Transform, Array], Modes]
    resolutions: tuple[tuple[int, int], ...]


EVOLUTIONS = {
    # The solution is odd about both ends, so it is periodic too.
    "burgers": Evolution(
        lambda p, k: -p.viscosity * k**2,
        transport,
        ((128, 1), (256, 1), (512, 1), (1024, 1), (2048, 4), (2048, 8), (2048, 16)),
    ),
    "kdv": Evolution(
        lambda p, k: 1j * p.dispersion * k**3,
        transport,
        ((96, 1), (128, 1), (256, 2), (256, 4), (384, 8), (384, 16), (384, 32)),
    ),
    "allen_cahn": Evolution(
        lambda p, k: p.rate - p.diffusivity * k**2,
        lambda p, u, modes, k: -p.rate * modes(u**3),
        ((128, 1), (256, 1), (512, 1), (1024, 1), (2048, 1), (4096, 1), (8192, 1), (16384, 2)),
    ),
}


def solve(problem: Problem, times: Array, points: int, substeps: int) -> Evaluate:
    """Solve a problem of `EVOLUTIONS` with this number of points, and of steps between two times.

    The returned function accepts any point in space, but only these times.
    """
    evolution = EVOLUTIONS[problem.name]
    low, span = problem.domain.low[0], problem.domain.high[0] - problem.domain.low[0]
    wavenumber = 2 * np.pi / span * np.arange(points // 2 + 1)
    start = initial(problem, low + span * np.arange(points) / points)

    def modes(values: Array) -> Modes:
        return np.fft.rfft(values, norm="forward")

    def nonlinear(state: Modes) -> Modes:
        return evolution.rest(problem, np.fft.irfft(state, norm="forward"), modes, wavenumber)

    states = march(evolution.linear(problem, wavenumber), nonlinear, modes(start), times, substeps)
    twice = np.where((np.arange(points // 2 + 1) == 0) | (np.arange(points // 2 + 1) == points // 2), 1, 2)

    def evaluate(where: Array) -> Array:
        places, place = np.unique(where[:, 0], return_inverse=True)
        values = (states * twice) @ np.exp(1j * np.outer(wavenumber, places - low))
        return np.asarray(values.real[np.searchsorted(times, where[:, 1]), place][:, None])

    return evaluate


def initial(problem: Problem, x: Array) -> Array:
    """Return the values at x that the problem's first Initial condition prescribes."""
    starts = (c.boundary_values(problem) for c in problem.conditions().values() if c.is_start)
    value = next(given.value for values in starts for given in values)
    points = torch.as_tensor(np.stack([x, np.full_like(x, problem.domain.low[1])], axis=1))
    return value_function(value, problem)(points).numpy()
