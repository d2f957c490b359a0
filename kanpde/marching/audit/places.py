"""Places where a feature of the data could hide from training: where sources and data are extreme.

The rows at a field of zero show the sources and the prescribed values. They cost no evaluation of the solution, so they
are looked at on many more points than training uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import Placed
from kanpde.collocation.sampling import Index, Sample, sample
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

POINTS = 2**19  # looked at inside; a feature narrower than their distance stays hidden
ON_FACES = 2**17  # the same for a condition
CHUNK = 2**17
LARGEST = 2048  # number of the most extreme points at which the solution is checked
ROUND_OFF = 1e-9  # share of the effect of a field of the solution's size below which a missed value is round-off
MISSED = 1e-2  # share of a block's data that a solution may miss at these points

Rows = Callable[[Placed], Tensor]


@dataclass(frozen=True)
class Missed:
    """A block that the solution does not satisfy where its data are largest, at `point` by coordinate.

    `share` is the missed share of all data of the block; or, if it is `of_terms`, the share of the equation's own terms
    that the solution leaves there, where a coefficient is extreme.
    """

    block: str
    share: float
    point: dict[str, float]
    of_terms: bool = False


def missed(problem: Problem, rows: Rows, unknowns: dict[str, Tensor], size: float) -> Iterator[Missed]:
    """Yield the blocks of which the solution misses more than the share `MISSED`; ``rows(placed)`` are its rows.

    Data are round-off, and not looked at, if they are nothing beside the rows of a field of the solution's `size`.
    """
    for number, block in enumerate(problem.blocks()):
        if block.points is not None or block.integrated or (block.faces and problem.domain.dimension == 1):
            continue
        placed, largest, total = extremes(problem, block, unknowns, number)
        if placed is None:
            continue
        left = rows(placed).abs().sum(dim=0)
        if min(float(left.sum()), largest) <= ROUND_OFF * effect(problem, placed, unknowns, size):
            continue
        share = float(left.sum()) / total
        if share > MISSED or not np.isfinite(share):
            worst = placed.images[0][int(left.nan_to_num(torch.inf).argmax())]
            yield Missed(block.name, share, dict(zip(problem.domain.names, worst.tolist(), strict=True)))


def extremes(
    problem: Problem, block: Block, unknowns: dict[str, Tensor], seed: int
) -> tuple[Placed | None, float, float]:
    """Return the block at the points where its data are largest, and the sums of the data's sizes there and over all
    points.
    """
    drawn = sample(block, problem.domain, ON_FACES if block.faces else POINTS, "sobol", np.random.default_rng(seed))
    sizes = np.concatenate([data_sizes(problem, block, *part, unknowns) for part in chunks(drawn.points, drawn.index)])
    sizes[~np.isfinite(sizes)] = 0.0
    total = float(sizes.sum())
    if total == 0:
        return None, 0.0, 0.0
    placed, chosen = placed_where_largest(problem, block, drawn, sizes)
    return placed, float(sizes[chosen].sum()), total


def placed_where_largest(
    problem: Problem, block: Block, drawn: Sample, sizes: Array
) -> tuple[Placed, npt.NDArray[np.int64]]:
    """Return the block at those of its points where the sizes (n,) are largest, and their numbers."""
    chosen = np.sort(np.argpartition(sizes, -LARGEST)[-LARGEST:] if len(sizes) > LARGEST else np.arange(len(sizes)))
    index = None if drawn.index is None else torch.as_tensor(drawn.index[chosen])
    return Placed.at(block, problem.domain.names, torch.as_tensor(drawn.points[chosen]), index), chosen


def effect(problem: Problem, placed: Placed, unknowns: dict[str, Tensor], size: float) -> float:
    """Return Σ|r − r₀| of a block's rows r at a field and derivatives of this size and r₀ at a field of zero."""
    zero = torch.zeros(placed.images[0].shape[0], len(placed.plan), len(problem.fields), dtype=torch.float64)
    with torch.no_grad():
        here, nothing = (placed.rows([jet] * len(placed.images), unknowns) for jet in (zero + size, zero))
    found = (here - nothing).abs().sum()
    return float(found) if torch.isfinite(found) else 0.0


def data_sizes(
    problem: Problem, block: Block, points: Array, index: Index | None, unknowns: dict[str, Tensor]
) -> Array:
    """Return Σ|r| (n,) of a block's rows at a field of zero."""
    where = None if index is None else torch.as_tensor(index)
    placed = Placed.at(block, problem.domain.names, torch.as_tensor(points), where)
    zero = torch.zeros(len(points), len(placed.plan), len(problem.fields), dtype=torch.float64)
    with torch.no_grad():
        rows = placed.rows([zero] * len(placed.images), unknowns)
    return np.asarray(rows.abs().sum(dim=0).numpy())


def chunks(points: Array, index: Index | None) -> Iterator[tuple[Array, Index | None]]:
    """Yield the points and their index in parts."""
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        yield points[part], None if index is None else index[part]
