"""A task, one peer on one problem, and the recording of its error over time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import numpy_function
from kanpde.collocation.comparison import Comparison
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

Evaluate = Callable[[Array], Array]
Keep = Callable[[object], None]

FIRST_SECONDS = 0.01  # of work before the first measurement of the error
GROWTH = 1.2  # factor between the times of two measurements
CHUNK = 8192  # points evaluated at once


@dataclass(frozen=True)
class Task:
    """The settings of a peer: its points, its seconds, and its number of parameters if the peer can choose one.

    `symbolic_seconds` limits a peer's search for a formula after its training; None skips the search.
    """

    problem: str
    peer: str
    budget_seconds: float
    seed: int = 0
    interior: int = 2048
    boundary: int = 256
    parameters: int = 1500
    symbolic_seconds: float | None = None

    def points_of(self, block: Block) -> int:
        """How many points a block gets."""
        return self.boundary if block.faces else self.interior


@dataclass
class Outcome:
    """The result of a task. `trace` is a list of (seconds, relative L2 error); `finished` is True after a full run.

    `formula` has the keys expression, status, relative_l2 and seconds; None if no formula was searched for.
    """

    trace: list[tuple[float, float]] = field(default_factory=list)
    parameters: int | None = None
    points: int | None = None
    method: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    formula: dict[str, Any] | None = None
    finished: bool = False


class Recorder:
    """Measure the error at times that grow by a constant factor; the clock stops during a measurement.

    All peers are measured on the grid of :class:`kanpde.collocation.comparison.Comparison`. Each measurement is written
    at once, so that it survives if the process is killed.
    """

    def __init__(self, problem: Problem, budget: float, keep: Keep) -> None:
        self.comparison = Comparison(problem)
        self._names = problem.domain.names
        self.budget, self.outcome, self._keep = budget, Outcome(), keep
        self._paused = 0.0
        self._due = FIRST_SECONDS
        self._started = time.perf_counter()

    def start(self) -> None:
        """Start the clock, after all imports."""
        self._started, self._paused = time.perf_counter(), 0.0

    @property
    def seconds(self) -> float:
        """Seconds of work so far."""
        return time.perf_counter() - self._started - self._paused

    @property
    def over(self) -> bool:
        """True if the budget is used up."""
        return self.seconds >= self.budget

    @property
    def due(self) -> bool:
        """True if it is time to measure again."""
        return self.over or self.seconds >= self._due

    def describe(self, method: str, parameters: int, points: int, **versions: str) -> None:
        """Record the method, its size and the versions of its packages."""
        self.outcome.method, self.outcome.parameters, self.outcome.points = method, parameters, points
        self.outcome.versions = versions

    def exclude(self, seconds: float) -> None:
        """Leave out seconds that a program has spent on measuring its own error."""
        self._paused += seconds

    def look(self, evaluate: Evaluate) -> bool:
        """Measure ``evaluate(points (n, d)) -> (n, fields)`` if that is due; return whether the budget is used up."""
        over = self.over
        if self.due:
            self.measure(evaluate)
        return over

    def measure(self, evaluate: Evaluate) -> None:
        """Measure the error now."""
        seconds, stopped = self.seconds, time.perf_counter()
        self.record(seconds, evaluate)
        self._due = seconds * GROWTH
        self._paused += time.perf_counter() - stopped

    def record(self, seconds: float, evaluate: Evaluate) -> None:
        """Record the error of a solution that took these seconds."""
        error = self.comparison.relative_l2(lambda points, _: evaluate_in_chunks(evaluate, points))
        assert error is not None
        self.outcome.trace.append((seconds, error))
        self._keep(asdict(self.outcome))

    def conclude(self, status: str, expressions: Sequence[Any], seconds: float) -> None:
        """Record the result of a search for a formula: one expression in the coordinates' symbols for each field.

        `expressions` is empty if the search was cut.
        """
        error = None
        if expressions:
            error = self.comparison.relative_l2(lambda points, _: values(expressions, self._names, points))
        self.outcome.formula = {
            "expression": ", ".join(map(str, expressions)) or None,
            "status": status,
            "relative_l2": error,
            "seconds": seconds,
        }
        self._keep(asdict(self.outcome))

    def finish(self) -> None:
        """Record that the peer has run to its end."""
        self.outcome.finished = True
        self._keep(asdict(self.outcome))


def evaluate_in_chunks(evaluate: Evaluate, points: Array) -> Array:
    """Return the function's values at points (n, d), computed in chunks to limit memory."""
    chunks = np.array_split(points, max(1, -(-len(points) // CHUNK)))
    return np.concatenate([evaluate(chunk) for chunk in chunks])


def values(expressions: Sequence[Any], names: tuple[str, ...], points: Array) -> Array:
    """Return the values (n, fields) of SymPy expressions, one for each field, at points (n, d)."""
    functions = [numpy_function(expression, names) for expression in expressions]
    return np.stack([np.broadcast_to(f(*points.T), len(points)) for f in functions], axis=-1)


def search_seconds(problem: Problem, task: Task) -> float | None:
    """Return the seconds to search for a formula; None if no search is wanted or the solution has no closed form."""
    return None if getattr(problem, "exact", None) is None else task.symbolic_seconds
