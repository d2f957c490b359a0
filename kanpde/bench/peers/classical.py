"""Solve the same equation by a spectral method; each point of its curve is a separate solution on a finer grid."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable

import numpy as np
import scipy

from kanpde.bench import chebyshev, fourier
from kanpde.bench.task import Evaluate, Recorder, Task
from kanpde.collocation.affine import is_affine
from kanpde.errors import ConfigurationError
from kanpde.geometry.box import as_box
from kanpde.problem.problem import Problem

DEGREES = (4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 44, 48)
SMALLEST_ERROR = 1e-12  # at which no finer grid is tried


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Compute and time solutions on finer and finer grids until the time is used up."""
    versions = {"numpy": np.__version__, "scipy": scipy.__version__}
    _, _, first = next(iter(solvers(problem, recorder)))
    first()  # a library's first call takes longer than the next
    recorder.start()
    for method, unknowns, solve in solvers(problem, recorder):
        started = time.perf_counter()
        evaluate = solve()
        seconds = time.perf_counter() - started
        recorder.describe(method, unknowns, unknowns, **versions)
        recorder.record(seconds, evaluate)
        if recorder.over or recorder.outcome.trace[-1][1] < SMALLEST_ERROR:
            break


def solvers(problem: Problem, recorder: Recorder) -> Iterable[tuple[str, int, Callable[[], Evaluate]]]:
    """Return (method, unknowns, solve) from coarse to fine; raise ConfigurationError if no method fits the problem."""
    if problem.name in fourier.EVOLUTIONS:
        times = np.unique(recorder.comparison.points[:, 1])
        for points, steps in fourier.EVOLUTIONS[problem.name].resolutions:
            yield "Fourier, ETDRK4", points, lambda: fourier.solve(problem, times, points, steps)  # noqa: B023
        return
    blocks = problem.blocks(hard=True)
    box = as_box(problem.domain)
    if box is None or box.dimension > 2 or not all(is_affine(block, problem) for block in blocks):
        raise ConfigurationError(
            "expected a linear problem on a box in one or two coordinates or one of "
            f"{', '.join(fourier.EVOLUTIONS)} for the spectral method, got {problem.name}; leave out classical"
        )
    for degree in DEGREES:
        unknowns = len(problem.fields) * (degree + 1) ** box.dimension
        yield "Chebyshev, least squares", unknowns, lambda: from_statement(problem, degree)  # noqa: B023


def from_statement(problem: Problem, degree: int) -> Evaluate:
    """Return a solution from the problem's statement, with which the clocks of all peers start."""
    fresh = copy.copy(problem)  # has no blocks yet
    return chebyshev.solve(fresh, fresh.blocks(hard=True), degree)
