"""The correction of a part by iteration, where that of `correction` would need too large a factor.

It is the same Gauss–Newton step about the solution on finer splines, with the conditions satisfied exactly. The weakest
direction is that of the mode with the smallest eigenvalue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from kanpde.geometry.box import as_box
from kanpde.marching.audit.directions import Direction
from kanpde.marching.audit.parts import Part
from kanpde.marching.axes import Axis
from kanpde.marching.iteration import iterated
from kanpde.marching.piece import OnGrids, TensorFunction
from kanpde.marching.separable.iterated import (
    GridFunction,
    Rows,
    Scales,
    Spline,
    Total,
    conditions_missed,
    corrected,
    preconditioner,
    projected,
)
from kanpde.marching.separable.modes import Modes
from kanpde.marching.separable.solver import Space
from kanpde.marching.task import MarchTask
from kanpde.marching.tensor_product import TensorProduct

WELL_POSED = 1e-2  # share of its terms that a mode's eigenvalue must be, times which a direction counts as noticed


def on_grids(function: OnGrids | None, device: torch.device) -> GridFunction | None:
    """Return a function of one field on a device, with those that it is a correction of; None if it is no spline."""
    if not isinstance(function, TensorFunction) or function.ansatz is not None:
        return None
    own = Spline(function.space.axes, function.coefficients.to(device).reshape(function.space.shape))
    if function.about is None:
        return own
    about = on_grids(function.about, device)
    return None if about is None else Total(about, own)


def iterated_correction(
    task: MarchTask, part: Part, axes: Sequence[Axis], before: TensorFunction | None
) -> tuple[TensorFunction, Direction, dict[str, float], dict[str, float]] | None:
    """Return the corrected function of a part on finer axes, its weakest direction, and the norms of its blocks' rows
    before and after; None if the part is small, or its function or the problem is of another kind.

    It joins the corrected part `before`, if that is given.
    """
    if not iterated(task, part.axes, once=True):
        return None
    device = task.iterates_on
    about, last = on_grids(part.function, device), on_grids(before, device)
    if about is None or (before is not None and last is None):
        return None
    structure, domain = task.structure, as_box(task.part(part.low, part.high))
    assert structure is not None and domain is not None
    joined = tuple(block.name for block in task.joins) if last is not None else ()
    rows, space = Rows(structure, domain, device, last, joined), Space.of(structure, axes, device)
    if space is None:
        return None
    # In a space of low degree whose knots are others, no correction removes the kinks of the function itself.
    start = projected(about, space) if isinstance(about, Spline) else about
    residual, slopes = rows.equation(space.lines, start)
    modes, scales = preconditioner(space, slopes), Scales.of(rows, space, about)
    found = corrected(rows, space, modes, start, residual, slopes)
    if not found.converged:
        return None
    own = Spline(tuple(axes), found.coefficients)
    after = Total(start, own)
    if structure.constant:
        residual += about.combined(space.lines, slopes) - start.combined(space.lines, slopes)
    else:
        residual = rows.equation(space.lines, about)[0]
    size = float((residual * space.roots).norm())
    name, sizes = structure.equation.name, zip((about, after), (size, found.left), strict=True)
    norms = [
        {name: norm / scales.equation, **conditions_missed(rows, space, each, scales).relative} for each, norm in sizes
    ]
    whole = found.coefficients + start.coefficients if isinstance(start, Spline) else found.coefficients
    coefficients = whole.reshape(-1, 1).cpu()
    rest = None if isinstance(start, Spline) else part.function
    function = TensorFunction(TensorProduct(axes), None, coefficients, {}, rest)
    return function, weakest(task, modes, scales), norms[0], norms[1]


def weakest(task: MarchTask, modes: Modes, scales: Scales) -> Direction:
    """Return the direction of the mode that the equation notices least."""
    smallest, share = modes.weakest
    size = next(iter(scales.partials.values()))
    noticed = max(smallest * size / scales.equation, WELL_POSED * share)
    return Direction(noticed if math.isfinite(noticed) else 0.0, False, task.problem.fields[0], None)
