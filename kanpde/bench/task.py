"""One peer on one problem, and its error against the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from kanpde.arrays import Array
from kanpde.calculus.expressions import numpy_function
from kanpde.collocation.comparison import Comparison
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

Evaluate = Callable[[Array], Array]
Keep = Callable[[object], None]

FIRST, STRIDE = 0.1, 1.2  # seconds of the first measurement, and the factor from one to the next
PIECE = 8192  # points evaluated together


@dataclass(frozen=True)
class Task:
    """What a peer is asked: points, seconds, and the number of parameters where it is free to choose one.

    `symbolic_seconds` are those of a peer's search for a formula after its training, None for no search.
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
    """What came of it. `trace` holds (seconds, relative L2 error); `finished` says that the peer came to its end.

    `formula` has the keys expression, status, relative_l2 and seconds where a formula was looked for.
    """

    trace: list[tuple[float, float]] = field(default_factory=list)
    parameters: int | None = None
    points: int | None = None
    method: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    formula: dict[str, Any] | None = None
    finished: bool = False


class Recorder:
    """Measures the error at seconds that grow by a factor; the clock stands still meanwhile.

    All peers are measured on the grid of :class:`kanpde.compare.Comparison`. What has been measured is kept at once, so
    that a process that has to be ended has not worked in vain.
    """

    def __init__(self, problem: Problem, budget: float, keep: Keep) -> None:
        self.comparison = Comparison(problem)
        self._names = problem.domain.names
        self.budget, self.outcome, self._keep = budget, Outcome(), keep
        self._paused = 0.0
        self._due = FIRST
        self._started = time.perf_counter()

    def start(self) -> None:
        """Begin to count: called when all is imported."""
        self._started, self._paused = time.perf_counter(), 0.0

    @property
    def seconds(self) -> float:
        """Seconds of work so far."""
        return time.perf_counter() - self._started - self._paused

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return self.seconds >= self.budget

    @property
    def due(self) -> bool:
        """Whether it is time to measure again."""
        return self.over or self.seconds >= self._due

    def describe(self, method: str, parameters: int, points: int, **versions: str) -> None:
        """Say what is being measured."""
        self.outcome.method, self.outcome.parameters, self.outcome.points = method, parameters, points
        self.outcome.versions = versions

    def look(self, evaluate: Evaluate) -> bool:
        """Measure ``evaluate(points (n, d)) -> (n, fields)`` where that is due; returns whether the time is over."""
        over = self.over
        if self.due:
            self.measure(evaluate)
        return over

    def measure(self, evaluate: Evaluate) -> None:
        """Measure now."""
        seconds, stopped = self.seconds, time.perf_counter()
        self.record(seconds, evaluate)
        self._due = seconds * STRIDE
        self._paused += time.perf_counter() - stopped

    def record(self, seconds: float, evaluate: Evaluate) -> None:
        """Write down the error of what took these seconds."""
        error = self.comparison.relative_l2(lambda points, _: in_pieces(evaluate, points))
        assert error is not None
        self.outcome.trace.append((seconds, error))
        self._keep(asdict(self.outcome))

    def conclude(self, status: str, expressions: Sequence[Any], seconds: float) -> None:
        """Write down what a search for a formula came to: an expression in the coordinates' symbols for each field.

        There is none where the search was cut.
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
        """The peer has come to its end."""
        self.outcome.finished = True
        self._keep(asdict(self.outcome))


def in_pieces(evaluate: Evaluate, points: Array) -> Array:
    """The function's values, made for a piece of the points at a time."""
    pieces = np.array_split(points, max(1, -(-len(points) // PIECE)))
    return np.concatenate([evaluate(piece) for piece in pieces])


def values(expressions: Sequence[Any], names: tuple[str, ...], points: Array) -> Array:
    """SymPy expressions, one a field, at points (n, d): (n, fields)."""
    functions = [numpy_function(expression, names) for expression in expressions]
    return np.stack([np.broadcast_to(f(*points.T), len(points)) for f in functions], axis=-1)


def search_seconds(problem: Problem, task: Task) -> float | None:
    """The seconds to look for a formula; None where none is asked for, and where the solution has no closed form."""
    return None if getattr(problem, "exact", None) is None else task.symbolic_seconds
