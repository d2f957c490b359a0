"""Where the residuals are asked to vanish: quasi-random points, and more of them where the residual is large."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.arrays import Array
from kanpde.errors import ConfigurationError
from kanpde.geometry.domain import Domain, Face, face_points, interior_points
from kanpde.options import number
from kanpde.problem.block import Block

Index = npt.NDArray[np.int64]

SEQUENCES = {"sobol": "Sobol", "halton": "Halton", "latin_hypercube": "LatinHypercube"}  # names in scipy.stats.qmc


@dataclass(frozen=True)
class SamplingOptions:
    """How many points, of which sequence, and how far they follow the residual.

    `interior` and `boundary` are numbers of points, the latter for every condition; null chooses them by the number of
    parameters. `adaptive` is the share of interior points that later samples place by the residual.
    """

    interior: int | None = None
    boundary: int | None = None
    sequence: str = "sobol"
    adaptive: float = 0.5

    def __post_init__(self) -> None:
        for name in ("interior", "boundary"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigurationError(f"expected a positive number of sampling.{name} points or null, got {value!r}")
        if self.sequence not in SEQUENCES:
            raise ConfigurationError(f"expected sampling.sequence in {', '.join(SEQUENCES)}, got {self.sequence!r}")
        if not (number(self.adaptive) and 0 <= self.adaptive <= 0.95):
            raise ConfigurationError(f"expected sampling.adaptive between 0 and 0.95, got {self.adaptive!r}")


@dataclass(frozen=True)
class Sample:
    """Points (n, d) of one block, and for each the number of its face (None in the interior)."""

    points: Array
    index: Index | None

    def tensors(self, like: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return copies on the device of `like`, the points of its dtype."""
        index = None if self.index is None else torch.tensor(self.index, device=like.device)
        return torch.tensor(self.points, dtype=like.dtype, device=like.device), index


def unit_points(count: int, dimension: int, sequence: str, generator: np.random.Generator) -> Array:
    """A scrambled low-discrepancy set in the unit cube, (count, dimension)."""
    if dimension == 0:
        return np.zeros((count, 0))
    # Imported here: scipy.stats takes its time, and a march needs none of it.
    from scipy.stats import qmc

    # A seed, for an engine given the generator would spawn from it, which the generator's written state does not tell.
    engine = getattr(qmc, SEQUENCES[sequence])(dimension, seed=np.random.default_rng(generator.integers(2**63)))
    if sequence == "sobol":
        # Sobol' points are balanced in powers of two only: draw enough and keep the first.
        return np.asarray(engine.random_base2(max(1, int(np.ceil(np.log2(max(count, 2))))))[:count])
    return np.asarray(engine.random(count))


def sample(block: Block, domain: Domain, count: int, sequence: str, generator: np.random.Generator) -> Sample:
    """`count` points where the block is to vanish; its own points where it has such."""

    def draw(number: int, dimension: int) -> Array:
        return unit_points(number, dimension, sequence, generator)

    if block.points is not None:
        return Sample(block.points, np.arange(len(block.points)))
    if not block.faces:
        return Sample(interior_points(domain, count, draw), None)
    shares = shares_of_faces(domain, block.faces, count)
    points = [face_points(domain, face, share, draw) for face, share in zip(block.faces, shares, strict=True)]
    return Sample(np.concatenate(points), np.repeat(np.arange(len(shares)), shares))


def samples(
    blocks: Iterable[Block], domain: Domain, count: Callable[[Block], int], generator: np.random.Generator
) -> Iterator[Sample]:
    """Sobol' points of every block, as many as `count` gives it."""
    return (sample(block, domain, count(block), "sobol", generator) for block in blocks)


def shares_of_faces(domain: Domain, faces: tuple[Face, ...], count: int) -> list[int]:
    """How many of `count` points each face gets, by its measure; a face that is a point gets one."""
    if domain.dimension == 1:
        return [1] * len(faces)
    measures = np.array([domain.face_measure(face) for face in faces])
    return [max(2, round(count * float(m))) for m in measures / measures.sum()]


def adapted(candidates: Array, residual: Array, count: int, generator: np.random.Generator) -> Array:
    """`count` of the candidates, drawn without repetition with probability ∝ |r|/mean |r| + 1.

    Residual-based adaptive distribution, RAD with k = c = 1: Wu, Zhu, Tan, Kartha and Lu, CMAME 403 (2023) 115671, eq.
    (2).
    """
    magnitude = np.abs(residual)
    density = magnitude / max(float(magnitude.mean()), np.finfo(float).tiny) + 1.0
    chosen = generator.choice(
        len(candidates), size=min(count, len(candidates)), replace=False, p=density / density.sum()
    )
    return candidates[np.sort(chosen)]


def retained(residual: Array, most: int) -> Index:
    """Which points to keep: those where |r| is above its mean, of these the `most` with the largest; in order.

    The retain-resample-release method: Daw, Bu, Wang, Perdikaris and Karpatne, ICML 2023 (arXiv 2207.02338), algorithm
    1. Where the residual falls below the mean, points are released.
    """
    magnitude = np.abs(residual)
    above = np.flatnonzero(magnitude > magnitude.mean())
    return np.sort(above[np.argsort(-magnitude[above], kind="stable")[:most]])
