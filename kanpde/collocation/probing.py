"""Try the rows of a problem before it is solved, because rows that mislead the solver are the user's mistake."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kanpde.collocation.affine import random_jet, trial_points
from kanpde.collocation.rows import Placed, Slope
from kanpde.errors import ProblemError
from kanpde.problem.block import Block
from kanpde.problem.boundary_values import LARGEST
from kanpde.problem.problem import Problem

SCALES = (1.0, -1.0, 100.0, 0.01)  # of the random jets: roots, logarithms and thresholds differ between them
ROUND_OFF = 1e-9  # largest difference of equal rows, relative to the largest row


def check_rows(problem: Problem, blocks: Sequence[Block]) -> None:
    """Evaluate every block of a problem with code of the user's, hard ones included, at random points and jets.

    Raises ProblemError if rows change the points, are never finite, are too large to be squared, or depend on other
    points than their own; if an equation has the same values for all fields; if a field or an unknown occurs nowhere.
    """
    for i, field in enumerate(problem.fields):
        if not any(block.partials.get(i) for block in blocks):
            raise ProblemError(
                f"expected the field {field} of {problem.name} in an equation, got it in none; leave it out"
            )
    moved = set[str]()
    for block in blocks:
        if block.affine:
            continue
        what = f"the {block.name} of {problem.name}" if block.name == "residual" else f"condition {block.name!r}"
        moved |= check_block(block, problem, what)
    for name in problem.unknowns:
        if name not in moved:
            raise ProblemError(
                f"expected the unknown {name} of {problem.name} in an equation or a condition, got it in none that "
                "changes with it; leave it out"
            )


def check_block(block: Block, problem: Problem, what: str) -> set[str]:
    """Check the rows of one block; return the names of the unknown constants and functions that change them."""
    generator = np.random.default_rng(1)
    points, index = trial_points(block, problem, generator)
    # All scales in one call, because each one costs more calls than time.
    count, every = len(points), points.repeat(len(SCALES), 1)
    kept = every.clone()
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.constants.items()}
    placed = Placed.at(block, problem.domain.names, points, index)
    scaled = Placed.at(block, problem.domain.names, every, None if index is None else index.repeat(len(SCALES)))
    jets = [random_jet(placed, len(problem.fields), generator, 0.5) for _ in placed.images]
    with torch.no_grad():
        rows = scaled.rows([torch.cat([scale * jet for scale in SCALES]) for jet in jets], unknowns)
        tried = [*torch.split(rows, count, dim=1)]
        if not torch.equal(every, kept):
            raise ProblemError(
                f"{what} expects its coordinates unchanged, got them changed in place; compute new tensors"
            )
        check_values(tried, what)
        # The same points in another order and number.
        some = torch.arange(len(points) - 1, len(points) // 2, -1)
        part = Placed.at(block, problem.domain.names, points[some], None if index is None else index[some])
        check_same(part.rows([jet[some] for jet in jets], unknowns), tried[0][:, some], what)
        scalars = {name: value for name, value in unknowns.items() if name in problem.unknowns}
        changed = {n: placed.rows(jets, {**unknowns, n: 1.5 * value + 0.1}) for n, value in scalars.items()}
    if block.name != "residual" and not unknowns:
        return {*block.functions}
    # A source may be so large that rows change by less than round-off, but not their slopes.
    slopes = list(placed.slopes(jets, unknowns)[1])
    if block.name == "residual":
        check_changes(tried, slopes, what)
    steep = torch.stack([slope.by_unknowns.nan_to_num().abs().amax(dim=0) for slope in slopes]).amax(dim=0) > 0
    moves = dict(zip(unknowns, steep.tolist(), strict=True))
    moved = {name for name, rows in changed.items() if moves[name] or not same(rows, tried[0])}
    return moved | {*block.functions}


def check_values(tried: list[Tensor], what: str) -> None:
    """Raise ProblemError for rows that are never finite or too large."""
    for rows in zip(*tried, strict=True):
        finite = rows[0][rows[0].isfinite()]
        if not len(finite) and not any(row.isfinite().any() for row in rows):
            raise ProblemError(f"{what} expects finite numbers, got {float(rows[0][0])} at all points that were tried")
        size = float(finite.abs().max()) if len(finite) else 0.0
        if size > LARGEST:
            raise ProblemError(f"{what} expects rows below {LARGEST:.0e}, got {size:.1e}; choose other units")


def check_changes(tried: list[Tensor], slopes: list[Slope], what: str) -> None:
    """Raise ProblemError for finite rows that are equal for all fields."""
    for rows, slope in zip(zip(*tried, strict=True), slopes, strict=True):
        flat = not any(each.any() for each in slope.by_jets) and all(torch.equal(row, rows[0]) for row in rows)
        if flat and bool(rows[0].isfinite().all()):
            raise ProblemError(
                f"{what} expects rows that change with the fields, got {float(rows[0][0]):.4g} whatever their values; "
                "check its terms"
            )


def check_same(rows: Tensor, expected: Tensor, what: str) -> None:
    """Raise ProblemError if rows are other ones than at the same points among more of them."""
    if not same(rows, expected):
        raise ProblemError(
            f"{what} expects rows that depend on their own point alone, got others with fewer points; leave out random "
            "numbers, sorting, and sums, means and maxima over the points"
        )


def same(rows: Tensor, others: Tensor) -> bool:
    """Return whether rows are equal up to round-off, and not numbers in the same places."""
    if torch.equal(rows, others):
        return True
    size = float(torch.nan_to_num(others, posinf=0.0, neginf=0.0).abs().max())
    return torch.allclose(rows, others, rtol=ROUND_OFF, atol=ROUND_OFF * size, equal_nan=True)
