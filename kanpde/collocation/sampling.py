"""Collocation points: quasi-random sequences, and adaptive sampling by the size of the residual."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import Sums
from kanpde.errors import ConfigurationError, among, number
from kanpde.geometry.domain import Domain, Draw, Face, Section, face_measure, face_points, interior_points
from kanpde.geometry.integration import Integration, integration
from kanpde.problem.block import Block

Index = npt.NDArray[np.int64]

QMC = {"halton": "Halton", "latin_hypercube": "LatinHypercube"}  # names in scipy.stats.qmc
SEQUENCES = ("sobol", *QMC)
MAX_POINTS = 10**7  # of one block, because more rows do not fit into the memory of common machines

INTEGRALS = 16  # number of times, or of values of parameters, at which an integral is prescribed
MOST_IN_INTEGRAL = 1024  # largest number of points of an integral


@dataclass(frozen=True)
class SamplingOptions:
    """The numbers of points, their sequence, and the share of them that the residual places.

    Raises ConfigurationError for values that are not valid.
    """

    interior: int | None = None  # number of interior points; None: by the number of parameters
    boundary: int | None = None  # number of points of each condition; None: by the dimension
    sequence: str = "sobol"  # a name in SEQUENCES
    adaptive: float = 0.5  # share of interior points that later samples place by the residual

    def __post_init__(self) -> None:
        for name in ("interior", "boundary"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigurationError(f"expected a positive number of sampling.{name} points or null, got {value!r}")
            if value is not None and value > MAX_POINTS:
                raise ConfigurationError(f"expected at most {MAX_POINTS} sampling.{name} points, got {value}")
        if not among(self.sequence, SEQUENCES):
            raise ConfigurationError(f"expected sampling.sequence in {', '.join(SEQUENCES)}, got {self.sequence!r}")
        if not (number(self.adaptive) and 0 <= self.adaptive <= 0.95):
            raise ConfigurationError(f"expected sampling.adaptive between 0 and 0.95, got {self.adaptive!r}")


@dataclass(frozen=True)
class Sample:
    """Points (n, d) of one block and the number of each point's face, (n,); `index` is None in the interior.

    If the block has integrals, these are over `integration`, whose points are the same.
    """

    points: Array
    index: Index | None
    integration: Integration | None = None

    def tensors(self, like: Tensor) -> tuple[Tensor, Tensor | None, Sums | None]:
        """Return copies on the device of `like`, the points of its dtype."""
        index = None if self.index is None else torch.tensor(self.index, device=like.device)
        return torch.tensor(self.points, dtype=like.dtype, device=like.device), index, self._sums(like)

    def _sums(self, like: Tensor) -> Sums | None:
        if self.integration is None:
            return None
        group = torch.tensor(self.integration.group, device=like.device)
        weights = torch.tensor(self.integration.weights, dtype=like.dtype, device=like.device)
        return Sums(group, weights, self.integration.count)


def unit_points(count: int, dimension: int, sequence: str, generator: np.random.Generator) -> Array:
    """Return a scrambled low-discrepancy set in the unit cube, (count, dimension)."""
    if dimension == 0:
        return np.zeros((count, 0))
    # A seed instead of the generator: an engine would spawn from a generator, and its saved state omits the spawns.
    seed = int(generator.integers(2**63))
    if sequence == "sobol":
        # Only powers of two of Sobol' points are balanced: draw the next power and keep the first ones.
        power = max(1, math.ceil(math.log2(max(count, 2))))
        engine = SobolEngine(dimension, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        return np.asarray(engine.draw_base2(power, dtype=torch.float64).numpy()[:count])
    # Imported here because scipy.stats is slow to import and a march does not need it.
    from scipy.stats import qmc

    return np.asarray(getattr(qmc, QMC[sequence])(dimension, seed=np.random.default_rng(seed)).random(count))


def sample(block: Block, domain: Domain, count: int, sequence: str, generator: np.random.Generator) -> Sample:
    """Return about `count` points of the domain or faces on which the block must vanish, or the points that it has."""

    def draw(number: int, dimension: int) -> Array:
        return unit_points(number, dimension, sequence, generator)

    if block.points is not None:
        return Sample(block.points, np.arange(len(block.points)))
    domain = block.within(domain)
    if block.integrated:
        return integral_sample(block, domain, count, draw)
    if not block.faces:
        return Sample(interior_points(domain, count, draw), None)
    counts = points_per_face(domain, block.faces, count)
    points = [face_points(domain, face, number, draw) for face, number in zip(block.faces, counts, strict=True)]
    return Sample(np.concatenate(points), np.repeat(np.arange(len(counts)), counts))


def integral_sample(block: Block, domain: Domain, count: int, draw: Draw) -> Sample:
    """Return points of the integrals of a block, by about `count` points each up to a limit."""
    free = [axis for axis in range(domain.dimension) if axis not in block.integrated]
    unit = draw(INTEGRALS if free else 1, len(free))
    others = domain.low[free] * (1 - unit) + domain.high[free] * unit
    found = integration(domain, block.faces, block.integrated, others, min(count, MOST_IN_INTEGRAL))
    return Sample(found.points, found.index, found)


def samples(
    blocks: Iterable[Block], domain: Domain, count: Callable[[Block], int], generator: np.random.Generator
) -> Iterator[Sample]:
    """Return Sobol' points of every block, as many as `count` gives it."""
    return (sample(block, domain, count(block), "sobol", generator) for block in blocks)


def points_per_face(domain: Domain, faces: tuple[Face, ...], count: int) -> list[int]:
    """Return each face's number of points: its share of `count` by measure, at least 2; 1 for a point."""
    measures = np.array([face_measure(domain, face) for face in faces])
    if domain.dimension == 1 or all(isinstance(f, Section) and len(f.axes) == domain.dimension for f in faces):
        return [round(float(number)) for number in measures]
    return [max(2, round(count * float(m))) for m in measures / measures.sum()]


def draw_by_residual(candidates: Array, residual: Array, count: int, generator: np.random.Generator) -> Array:
    """Return `count` of the candidates (n, d), drawn without repetition with probability ∝ |r|/mean |r| + 1.

    `residual` is r (n,). This is the residual-based adaptive distribution RAD with k = c = 1: Wu, Zhu, Tan, Kartha and
    Lu, CMAME 403 (2023) 115671, eq. (2).
    """
    magnitude = np.abs(residual)
    density = magnitude / max(float(magnitude.mean()), np.finfo(float).tiny) + 1.0
    drawn = generator.choice(
        len(candidates), size=min(count, len(candidates)), replace=False, p=density / density.sum()
    )
    return candidates[np.sort(drawn)]


def points_to_retain(residual: Array, limit: int) -> Index:
    """Return the indices, in order, of the points at which |r| is above its mean, and at most the `limit` largest.

    `residual` is r (n,). This is the retain-resample-release method (R3): Daw, Bu, Wang, Perdikaris and Karpatne, ICML
    2023 (arXiv 2207.02338), algorithm 1. It releases a point as soon as its residual falls below the mean.
    """
    magnitude = np.abs(residual)
    above = np.flatnonzero(magnitude > magnitude.mean())
    return np.sort(above[np.argsort(-magnitude[above], kind="stable")[:limit]])
