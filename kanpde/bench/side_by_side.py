"""Run every peer on every problem, one after the other, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from kanpde.bench.peers import OURS, PEERS
from kanpde.bench.process import Measure, Say, run_process
from kanpde.bench.task import Task
from kanpde.errors import ConfigurationError, among, nearest, number
from kanpde.problem import registry

MAX_PARAMETERS = 2000  # of other networks, because a larger dense Jacobian allows few steps in the time
STARTUP_SECONDS = 240.0  # for imports, compilation and measuring, added to twice the budgets of a process


@dataclass(frozen=True)
class BenchOptions:
    """The problems, the peers (null: all installed ones), the seconds of each, and the numbers of points.

    `interior` and `boundary` are the numbers of points for the equation and for every condition, for peers that do not
    choose them. `symbolic_seconds` limits the search for a formula after training, for problems that have a closed
    form; null skips the search. `scaling` also measures the cost of a step.
    """

    problems: tuple[str, ...] = ("heat", "poisson_kan", "helmholtz", "burgers", "allen_cahn")
    peers: tuple[str, ...] | None = None
    budget_seconds: float = 20.0
    symbolic_seconds: float | None = 60.0
    seed: int = 0
    interior: int = 2048
    boundary: int = 256
    scaling: bool = True

    def __post_init__(self) -> None:
        check_names(self.problems, "problems", registry.discover())
        if self.peers is not None:
            check_names(self.peers, "peers", PEERS)
        for name in ("budget_seconds", "symbolic_seconds"):
            value = getattr(self, name)
            if not (number(value) and value > 0) and (value is not None or name == "budget_seconds"):
                raise ConfigurationError(f"expected bench.{name} to be a positive number, got {value!r}")
        for name, least in (("seed", 0), ("interior", 1), ("boundary", 1)):
            if not (number(getattr(self, name), whole=True) and getattr(self, name) >= least):
                raise ConfigurationError(
                    f"expected bench.{name} to be a whole number of at least {least}, got {getattr(self, name)!r}"
                )
        if not isinstance(self.scaling, bool):
            raise ConfigurationError(f"expected bench.scaling to be true or false, got {self.scaling!r}")

    @property
    def peer_names(self) -> tuple[str, ...]:
        """The names of the peers in the order of `PEERS`, kanpde first."""
        return tuple(name for name in PEERS if self.peers is None or name in self.peers)


def check_names(given: object, what: str, known: Sequence[str] | Mapping[str, Any]) -> None:
    """Raise ConfigurationError if `given` is not a list or contains a name that is not in `known`."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise ConfigurationError(f"expected bench.{what} to be a list such as [{next(iter(known))}], got {given!r}")
    for name in given:
        if not among(name, known):
            raise ConfigurationError(f"unknown {what.removesuffix('s')} {name!r}; {nearest(name, known)}")


def compare(options: BenchOptions, say: Say, measure: Measure = run_process) -> Iterator[dict[str, Any]]:
    """Yield one row for every problem and peer.

    A peer that is not installed or fails is reported in one line and skipped.
    """
    peers = installed_peers(options.peer_names, say)
    seconds = float(options.budget_seconds)
    symbolic = None if options.symbolic_seconds is None else float(options.symbolic_seconds)
    seed, interior, boundary = (int(n) for n in (options.seed, options.interior, options.boundary))
    for problem in options.problems:
        size = Task.parameters
        for name in peers:
            task = Task(problem, name, seconds, seed, interior, boundary, size, symbolic)
            answer = measure(asdict(task), 2 * (seconds + (symbolic or 0.0)) + STARTUP_SECONDS)
            if answer.error:
                say(f"{PEERS[name].title} on {problem}: {answer.error}")
            if answer.result is None or not answer.result["trace"]:
                continue
            if name == OURS:
                size = min(answer.result["parameters"], MAX_PARAMETERS)
            yield {"problem": problem, "peer": name, **answer.result}


def installed_peers(peers: Sequence[str], say: Say) -> list[str]:
    """Return the peers whose packages are installed; report each of the others in one line."""
    found = []
    for name in peers:
        missing = PEERS[name].missing
        if missing:
            say(f"{name} is skipped: expected the packages {', '.join(missing)}, got none; pip install 'kanpde[bench]'")
        else:
            found.append(name)
    return found


def settings_of(options: BenchOptions) -> dict[str, Any]:
    """Return the options as a dictionary for JSON."""
    return {field.name: getattr(options, field.name) for field in fields(options)}
