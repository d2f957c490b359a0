"""Places where a coefficient has a feature that could hide from training: a peak, or a place where it nearly vanishes.

The rows at fields of the solution's size show the coefficients, as those at fields of zero show the sources, without an
evaluation of the solution. Where the coefficients of the highest partials nearly vanish, rows are divided by them: a
small residual stands for a large error of these partials there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import Placed, sizes_of_terms
from kanpde.collocation.sampling import Index, sample
from kanpde.marching.audit.places import LARGEST, MISSED, Missed, chunks, placed_where_largest
from kanpde.network.trial_function import Model
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

POINTS = 2**18  # looked at inside; a feature narrower than their distance stays hidden
ON_FACES = 2**16  # the same for a condition
NARROW = 4.0  # ratio to the median from which a coefficient has a feature
UNSATISFIED = 0.1  # share of its own terms that a solution leaves of a block where it misses a feature
SMALLEST = 1e-12  # of the highest partials' coefficients, relative to the largest


def missed_coefficients(
    problem: Problem, model: Model, unknowns: Mapping[str, Tensor], size: float
) -> Iterator[Missed]:
    """Yield the blocks that a solution of this size does not satisfy because of a narrow coefficient."""
    for block in problem.blocks():
        if block.points is None and not block.integrated and not (block.faces and problem.domain.dimension == 1):
            found = missed_in(problem, block, model, unknowns, size)
            if found is not None:
                yield found


def missed_in(
    problem: Problem, block: Block, model: Model, unknowns: Mapping[str, Tensor], size: float
) -> Missed | None:
    """Return a place where a solution leaves much of a block's terms, and where its coefficients are extreme."""
    count = ON_FACES if block.faces else POINTS
    drawn = sample(block, problem.domain, count, "sobol", np.random.default_rng(0))
    parts = chunks(drawn.points, drawn.index)
    sizes = [probed(problem, block, points, index, unknowns, size) for points, index in parts]
    terms, leading = (np.nan_to_num(np.concatenate(each), nan=0.0, posinf=0.0) for each in zip(*sizes, strict=True))
    for weights in (np.ones_like(leading), inverse(leading)):
        weighted = terms * weights
        place = weighted if weights.min() == weights.max() else weights
        if len(place) <= LARGEST or place.max() <= NARROW * np.median(place):
            continue
        placed, chosen = placed_where_largest(problem, block, drawn, place)
        left, own = (each * weights[chosen] for each in rows_and_terms(model, placed, unknowns))
        if left.sum() > max(UNSATISFIED * own.sum(), MISSED * weighted.sum()):
            worst = drawn.points[chosen][int(left.argmax())]
            point = dict(zip(problem.domain.names, worst.tolist(), strict=True))
            return Missed(block.name, float(left.sum() / own.sum()), point, of_terms=True)
    return None


def inverse(leading: Array) -> Array:
    """Return the reciprocals of the coefficients of the highest partials; ones if they do not nearly vanish."""
    largest = leading.max(initial=0.0)
    if not largest > 0 or leading.min() > np.median(leading) / NARROW:
        return np.ones_like(leading)
    return np.asarray(1 / np.maximum(leading, SMALLEST * largest))


def probed(
    problem: Problem, block: Block, points: Array, index: Index | None, unknowns: Mapping[str, Tensor], size: float
) -> tuple[Array, Array]:
    """Return Σ|r − r₀| (n,) of a block's rows r at a field of this size, with r₀ at a field of zero, and the same for a
    field that has only highest partials.
    """
    domain = problem.domain
    where = None if index is None else torch.as_tensor(index)
    placed = Placed.at(block, domain.names, torch.as_tensor(points), where)
    random, spans = np.random.default_rng(0), domain.high - domain.low
    order = max(map(len, placed.plan.partials))
    heights = [size / float(np.prod(spans[list(partial)])) for partial in placed.plan.partials]
    jet = torch.as_tensor(np.array(heights)[:, None] * random.choice([-1.0, 1.0], (len(heights), len(problem.fields))))
    highest = torch.tensor([[float(len(partial) == order)] for partial in placed.plan.partials], dtype=jet.dtype)
    with torch.no_grad():
        nothing, full, leading = (
            placed.rows([each.expand(len(points), *each.shape)] * len(placed.images), dict(unknowns))
            for each in (0 * jet, jet, highest * jet)
        )
        whole, highest_alone = ((each - nothing).abs().sum(dim=0).numpy() for each in (full, leading))
    return whole, highest_alone


def rows_and_terms(model: Model, placed: Placed, unknowns: Mapping[str, Tensor]) -> tuple[Array, Array]:
    """Return the sums of the sizes of a model's rows, and of the terms that they consist of, (n,) each."""
    with torch.no_grad():
        jets = [model.jets_at(points, placed.plan).double().cpu() for points in placed.images]
        nothing = placed.rows([torch.zeros_like(jet) for jet in jets], unknowns)
    rows, slopes = placed.slopes(jets, unknowns)
    terms = nothing.abs().sum(dim=0)
    for slope in slopes:
        for own, jet in zip(slope.by_jets, jets, strict=True):
            terms = terms + sizes_of_terms([own], jet)[0]
    return rows.abs().sum(dim=0).numpy(), terms.numpy()
