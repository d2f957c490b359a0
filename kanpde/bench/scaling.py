"""What one step of Gauss–Newton costs, in seconds and in memory, by points, parameters and dimensions.

A step is one Jacobian, its factorisation, and the trial steps of two dampings.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kanpde.bench.process import Measure, Say, carry_out
from kanpde.geometry.box import Box
from kanpde.network.kan import KAN
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.problem.conditions import Constraint, Dirichlet
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

DEGREE, INTERVALS = 5, 8
COORDINATES = "xyzwvs"
STEPS, ENOUGH = 5, 2.0  # the most steps that are timed, and the seconds after which no other is begun
PROBES = 2  # dampings that a step tries: how many it needs depends on the problem, not on the size
LIMIT = 240.0  # seconds that one size may take, its process' start included


@dataclass(frozen=True)
class Size:
    """What is measured: about so many parameters, on so many points, in so many coordinates."""

    points: int = 4096
    parameters: int = 1000
    dimension: int = 2


@dataclass(frozen=True)
class Torsion(Problem):
    """−Δu = 1, u = 0 on the boundary of the unit cube."""

    dimension: int = 2

    @property
    def domain(self) -> Box:  # type: ignore[override]
        return Box(**dict.fromkeys(COORDINATES[: self.dimension], (0, 1)))

    def residual(self, u: Field) -> Any:
        return -sum(u.d(name, name) for name in self.domain.names) - 1

    def conditions(self) -> dict[str, Constraint]:
        return {"boundary": Dirichlet(0)}


# What varies, and the sizes that are measured for it.
SWEEPS: Mapping[str, tuple[Size, ...]] = {
    "points": tuple(Size(points=10**n, parameters=300) for n in (3, 4, 5, 6)),
    "parameters": tuple(Size(points=8192, parameters=n) for n in (100, 300, 1000, 3000, 10000)),
    "dimension": tuple(Size(dimension=n) for n in (1, 2, 3, 4, 5, 6)),
}


def sweep(say: Say, measure: Measure = carry_out) -> Iterator[dict[str, Any]]:
    """A row for every size of every sweep, as soon as it is known; a line for one that takes too long."""
    for varied, sizes in SWEEPS.items():
        for size in sizes:
            answer = measure(asdict(size), LIMIT)
            if answer.result is None:
                say(f"a step with {varied} = {getattr(size, varied)}: {answer.complaint}")
            else:
                yield {"varied": varied, **answer.result}


def measure(size: Size) -> dict[str, Any]:
    """Seconds of a step, the median of a few, and the peak of this process' memory in GiB."""
    problem = Torsion(size.dimension)
    network = KAN([width(size)], DEGREE, INTERVALS).build(problem.domain.low, problem.domain.high, 1)
    residuals = Residuals(Model(network), problem.blocks(), problem.domain.names)
    generator = np.random.default_rng(0)
    residuals.sample(problem.domain, lambda block: round((0.1 if block.faces else 0.9) * size.points), generator)
    method, vector, seconds = GaussNewton(probes=PROBES), residuals.model.vector, list[float]()
    while len(seconds) < STEPS and sum(seconds) < ENOUGH:
        started = time.perf_counter()
        vector = method.step(residuals, vector).vector
        seconds.append(time.perf_counter() - started)
    points = sum(len(part.points) for part in residuals.parts)
    return {
        "points": points,
        "parameters": residuals.model.size,
        "dimension": size.dimension,
        "seconds": statistics.median(seconds),
        "gib": peak(),
    }


def width(size: Size) -> int:
    """The nodes of one hidden layer that make about so many parameters."""
    return max(1, round(size.parameters / ((DEGREE + INTERVALS) * (size.dimension + 1))))


def peak() -> float | None:
    """The most memory that this process has held, in GiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
