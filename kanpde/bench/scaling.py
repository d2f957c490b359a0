"""Measure the seconds and memory of one Gauss–Newton step by number of points, parameters and dimensions.

A step computes one Jacobian and its factorisation, and tries two dampings.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from kanpde.bench.process import Measure, Say, run_process
from kanpde.collocation.sampling import sample
from kanpde.geometry.box import Box
from kanpde.network.kan import KAN
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.problem.conditions import Constraint, Dirichlet
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

DEGREE, INTERVALS = 5, 8  # of the network's splines
COORDINATES = "xyzwvs"  # names of the coordinates, as many as the dimension
MAX_STEPS = 5  # that are timed for one size
MAX_SECONDS = 2.0  # of timed steps, after which no other step is begun
PROBES = 2  # dampings tried in a step, fixed here because their number depends on the problem and not on the size
TIMEOUT = 240.0  # seconds for one size, the start of its process included


@dataclass(frozen=True)
class Size:
    """The numbers of points, of parameters (approximate) and of coordinates of a measured step."""

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


# The quantity that varies, and the sizes that are measured.
SWEEPS: Mapping[str, tuple[Size, ...]] = {
    "points": tuple(Size(points=10**n, parameters=300) for n in (3, 4, 5, 6)),
    "parameters": tuple(Size(points=8192, parameters=n) for n in (100, 300, 1000, 3000, 10000)),
    "dimension": tuple(Size(dimension=n) for n in (1, 2, 3, 4, 5, 6)),
}


def sweep(say: Say, measure: Measure = run_process) -> Iterator[dict[str, Any]]:
    """Yield a row for every measured size of every sweep; report each size that fails or takes too long."""
    for varied, sizes in SWEEPS.items():
        for size in sizes:
            answer = measure(asdict(size), TIMEOUT)
            if answer.result is None:
                say(f"a step with {varied} = {getattr(size, varied)}: {answer.error}")
            else:
                yield {"varied": varied, **answer.result}


def measure(size: Size) -> dict[str, Any]:
    """Return the size, the median seconds of a step, and this process's peak memory in GiB."""
    problem = Torsion(size.dimension)
    network = KAN([width(size)], DEGREE, INTERVALS).build(problem.domain.low, problem.domain.high, 1)
    residuals = Residuals(Model(network), problem.blocks(), problem.domain.names)
    generator = np.random.default_rng(0)
    for number, (part, share) in enumerate(zip(residuals.parts, (0.9, 0.1), strict=True)):
        drawn = sample(part.block, problem.domain, round(share * size.points), "sobol", generator)
        index = None if drawn.index is None else torch.as_tensor(drawn.index)
        residuals.place(number, torch.as_tensor(drawn.points), index)
    method, vector, seconds = GaussNewton(probes=PROBES), residuals.model.vector, list[float]()
    while len(seconds) < MAX_STEPS and sum(seconds) < MAX_SECONDS:
        started = time.perf_counter()
        vector = method.step(residuals, vector).vector
        seconds.append(time.perf_counter() - started)
    points = sum(len(part.points) for part in residuals.parts)
    return {
        "points": points,
        "parameters": residuals.model.size,
        "dimension": size.dimension,
        "seconds": statistics.median(seconds),
        "gib": peak_memory(),
    }


def width(size: Size) -> int:
    """Return the nodes of one hidden layer that give about the number of parameters of `size`."""
    return max(1, round(size.parameters / ((DEGREE + INTERVALS) * (size.dimension + 1))))


def peak_memory() -> float | None:
    """Return this process's peak memory in GiB; None if the system does not report it."""
    try:
        import resource
    except ImportError:
        return None
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
