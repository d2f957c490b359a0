"""The benchmark: every peer on every problem, one after the other, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from kanpde.bench.peers import OURS, PEERS
from kanpde.bench.process import Measure, Say, carry_out
from kanpde.bench.task import Task
from kanpde.errors import ConfigurationError, nearest
from kanpde.options import number
from kanpde.problem import registry

LARGEST = 2000  # parameters of other networks: a dense Jacobian of more leaves few steps in the time
STARTING = 240.0  # seconds beside twice the budgets that a process may take for imports, compiling and measuring


@dataclass(frozen=True)
class BenchOptions:
    """Which problems and peers (null: all), how long each, and how many points for those that do not choose their own.

    `interior` and `boundary` are numbers of points, the latter for every condition. `symbolic_seconds` are those of a
    search for the formula after training, where there is one to be found; null leaves it out. `scaling` measures what a
    step costs as well.
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
        names(self.problems, "problems", registry.discover())
        if self.peers is not None:
            names(self.peers, "peers", PEERS)
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
    def chosen(self) -> tuple[str, ...]:
        """The peers in their own order, the one that the rest are measured against first."""
        return tuple(name for name in PEERS if self.peers is None or name in self.peers)


def names(given: object, what: str, known: Sequence[str] | Mapping[str, Any]) -> None:
    """Raise ConfigurationError where a list of names is none or holds one that is not known."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigurationError(f"expected bench.{what} to be a list such as [{next(iter(known))}], got {given!r}")
    for name in given:
        if name not in known:
            raise ConfigurationError(f"unknown {what.removesuffix('s')} {name!r}; {nearest(str(name), known)}")


def compare(options: BenchOptions, say: Say, measure: Measure = carry_out) -> Iterator[dict[str, Any]]:
    """One row for every problem and peer, as soon as it is known.

    A peer that is not installed, and one that fails, is skipped with a line.
    """
    peers = installed(options.chosen, say)
    seconds = float(options.budget_seconds)
    symbolic = None if options.symbolic_seconds is None else float(options.symbolic_seconds)
    seed, interior, boundary = (int(n) for n in (options.seed, options.interior, options.boundary))
    for problem in options.problems:
        size = Task.parameters
        for name in peers:
            task = Task(problem, name, seconds, seed, interior, boundary, size, symbolic)
            answer = measure(asdict(task), 2 * (seconds + (symbolic or 0.0)) + STARTING)
            if answer.complaint:
                say(f"{PEERS[name].title} on {problem}: {answer.complaint}")
            if answer.result is None or not answer.result["trace"]:
                continue
            if name == OURS:
                size = min(answer.result["parameters"], LARGEST)
            yield {"problem": problem, "peer": name, **answer.result}


def installed(peers: Sequence[str], say: Say) -> list[str]:
    """Those whose packages are there; a line for each of the others."""
    found = []
    for name in peers:
        missing = PEERS[name].missing
        if missing:
            say(f"{name} is skipped: expected the packages {', '.join(missing)}, got none; pip install 'kanpde[bench]'")
        else:
            found.append(name)
    return found


def settings_of(options: BenchOptions) -> dict[str, Any]:
    """The options as they go into a file."""
    return {field.name: getattr(options, field.name) for field in fields(options)}
