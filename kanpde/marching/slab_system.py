"""The equations of one attempt at a slab: their rows, an initial guess, and the solved slab."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.rows import Placed
from kanpde.marching.axes import LegendreAxis, SplineAxis, gauss_weights
from kanpde.marching.enriched_product import EnrichedProduct, product_of
from kanpde.marching.forecast import guess_from
from kanpde.marching.iteration import iterated, start_from
from kanpde.marching.linearisation import Numbered
from kanpde.marching.piece import OnGrids, TensorFunction
from kanpde.marching.quadrature import grid_of, inside, quadrature
from kanpde.marching.separable.structure import plain
from kanpde.marching.slabs import Pass, Slab, constant_in_time, extrapolated, sizes_in_time, tail_of
from kanpde.marching.state import Anchor, Attempt, Iterate, MarchState
from kanpde.marching.system import System
from kanpde.marching.task import MarchTask
from kanpde.marching.tensor_product import TensorProduct
from kanpde.optim.bordered import AnyFactor, factor_of
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton
from kanpde.problem.block import Block
from kanpde.problem.guess import guess_block, with_guess

SIZED = 256  # points at which the sizes of fields are measured
# Shares of a field's size in earlier slabs for which it is taken if it is smaller, without and with axes in space.
FADED = (1e-30, 1e-6)
FADED_WITH_ERRORS = 1.0  # the same where a maximum principle says that errors do not grow

# Rows ----------------------------------------------------------------------------------------------------------------


def slab_system(task: MarchTask, state: MarchState, numbered: Numbered | None = None) -> System:
    """Return the rows of the current attempt, divided by its scales, which are measured if they are missing."""
    attempt, last, iterate = state.attempt, state.last, state.iterate
    space = task.space(attempt.axes, attempt.low, attempt.high)
    before = end_of(task, last) if last else None
    ends = (state.slabs[0], state.slabs[-1]) if state.slabs else ()
    least = least_sizes(task, [sizes_of_fields(task, slab) for slab in ends])
    system = rows_of_part(task, space, attempt.low, attempt.high, before, numbered=numbered, least=least)
    if iterate.scales is not None:
        system.scale(iterate.scales)
    else:
        system.rescale(iterate.vector)
    return system


def rows_of_part(
    task: MarchTask,
    space: TensorProduct,
    low: float,
    high: float,
    before: TensorFunction | None,
    *,
    numbered: Numbered | None = None,
    about: OnGrids | None = None,
    least: Tensor | None = None,
) -> System:
    """Return the rows between two shares of time: those of the initial conditions, or of a joint with `before`.

    No field is taken for smaller than its size in `least` (f,).
    """
    every = task.later if before else task.blocks
    return System(
        space,
        task.part(low, high),
        task.rows_of_slab(joined=before is not None) if periodic(about) else every,
        task.problem.fields,
        ansatz=task.ansatz,
        unknowns=tuple(task.problem.constants),
        device=task.device,
        going_on=task.joins if before else (),
        before=before,
        numbered=numbered,
        about=about,
        least=least,
        linear=task.linear,
    )


def least_sizes(task: MarchTask, past: Sequence[Tensor]) -> Tensor | None:
    """Return the sizes (f,) for which fields that fade are taken, given those in earlier slabs; None without these.

    Errors of the past are as rough as rounding makes them, so that in space a field that fades keeps few digits of its
    own; and where a maximum principle holds, none counts but those beside its past.
    """
    if not past:
        return None
    faded = FADED_WITH_ERRORS if task.errors_decay else FADED[bool(task.along)]
    return faded * torch.stack([*past]).amax(dim=0)


@lru_cache(maxsize=4)
def sizes_of_fields(task: MarchTask, slab: Slab) -> Tensor:
    """Return the root mean squares (f,) of the fields in a slab, at some points inside."""
    return rms_of_fields(end_of(task, slab), task, slab.low, slab.high)


def rms_of_fields(function: OnGrids, task: MarchTask, low: float, high: float) -> Tensor:
    """Return the root mean squares (f,) of a function's fields between two shares of time, at some points inside."""
    domain = task.part(low, high)
    points = domain.interior(np.random.default_rng(0).random((SIZED, domain.dimension)))
    plan = JetPlan(domain.dimension, [()])
    with torch.no_grad():
        values = function.jets(function.prepare(torch.as_tensor(points, device=task.device), plan))[:, 0]
    return values.square().mean(dim=0).sqrt()


def periodic(about: OnGrids | None) -> bool:
    """Return True if there is no function, or one that is periodic along all of its spline axes."""
    if not isinstance(about, TensorFunction):
        return about is None
    around = all(axis.periodic for axis in about.space.axes if isinstance(axis, SplineAxis))
    return around and periodic(about.about)


def end_of(task: MarchTask, last: Slab) -> TensorFunction:
    """Return a solved slab as a function."""
    return TensorFunction(last.space, task.ansatz, last.tensor(task.device))


def factor_at(task: MarchTask, anchor: Anchor, numbered: Numbered | None) -> tuple[AnyFactor, Numbered]:
    """Return the factor computed at an anchor, and its numbering of the unknowns.

    J does not depend on the preceding slab, because its values only shift the rows by constants.
    """
    attempt = anchor.attempt
    system = System(
        task.space(attempt.axes, attempt.low, attempt.high),
        task.part(attempt.low, attempt.high),
        (*task.rows_of_slab(joined=anchor.joined), *(task.joins if anchor.joined else ())),
        task.problem.fields,
        ansatz=task.ansatz,
        unknowns=tuple(task.problem.constants),
        device=task.device,
        numbered=numbered,
    )
    system.scale(anchor.scales)
    return factor_of(system.linearise(anchor.vector), anchor.damping), system.numbered


# Initial guesses -----------------------------------------------------------------------------------------------------


def initial_iterate(
    task: MarchTask,
    attempt: Attempt,
    last: Slab | None,
    failed: Slab | None = None,
    best: Pass | None = None,
    factor: float = 1.0,
) -> Iterate:
    """Return the failed attempt's solution, else the best pass's, else the last slab extrapolated, else the problem's
    guess, else the initial conditions, else zero.

    Unknown constants start from their values in the best pass, or else from the given values times `factor`.
    """
    if failed is not None and iterated(task, attempt.axes):
        return Iterate(start_from(task, attempt, failed), fresh=False)
    guess, known = _initial_vector(task, attempt, last, failed, best, factor), best is not None and task.foreseeable
    return Iterate(
        torch.as_tensor(guess, device=task.device), fresh=not (failed or known or task.slabbed or task.guess)
    )


def zero_iterate(task: MarchTask, attempt: Attempt) -> Iterate:
    """Return zero, with the given values of the unknown constants."""
    space, problem = task.space(attempt.axes, attempt.low, attempt.high), task.problem
    given = np.array([*problem.constants.values()], dtype=np.float64)
    vector = np.concatenate([np.zeros(space.size * len(problem.fields)), given])
    return Iterate(torch.as_tensor(vector, device=task.device), fresh=True)


def _initial_vector(
    task: MarchTask, attempt: Attempt, last: Slab | None, failed: Slab | None, best: Pass | None, factor: float
) -> Array:
    space = task.space(attempt.axes, attempt.low, attempt.high)
    if failed is not None:
        if task.continued and not task.linear:
            return np.concatenate([fitted(task, attempt, failed), failed.constants])
        splines = space.transferred(failed.space, failed.coefficients).ravel()
        return np.concatenate([splines, failed.amounts.ravel(), failed.constants])
    if best is not None and task.foreseeable:
        return guess_from(best, space, task.time if task.slabbed else None, attempt.low, attempt.high).ravel()
    if last is not None:
        return np.concatenate([each.ravel() for each in extrapolated(last, space, task.time)])
    large = task.linear and task.unknowns_of(attempt.axes) > task.factored
    if large and (task.periodic or iterated(task, attempt.axes)):
        return np.zeros(space.size * len(task.problem.fields))  # the start of an iteration that needs none
    if task.slabbed and task.starts and task.guess is None:
        start = initial_conditions(task, attempt, space).ravel()
        return np.concatenate([start, np.zeros(space.size * len(task.problem.fields) - len(start))])
    given = factor * np.array([*task.problem.constants.values()], dtype=np.float64)
    constants = best.slabs[0].constants if best else given
    if task.guess is not None:
        return np.concatenate([guessed(task, attempt, task.guess), constants])
    return np.concatenate([np.zeros(space.size * len(task.problem.fields)), constants])


def fitted(task: MarchTask, attempt: Attempt, slab: Slab) -> Array:
    """Return the coefficients (P fields,) of the fit to a coarser slab inside the domain.

    Outside a shape the splines may be large, and finer ones need not be like them; singular functions may cancel them.
    """
    solved = end_of(task, slab)

    def values(points: Array) -> Array:
        with torch.no_grad():
            where = torch.as_tensor(points, device=task.device)
            plan = JetPlan(points.shape[1], [()])
            return solved.jets(solved.prepare(where, plan))[:, 0].cpu().numpy()

    block = guess_block(with_guess(task.problem, values))
    assert block is not None
    return guessed(task, attempt, block)


def guessed(task: MarchTask, attempt: Attempt, guess: Block) -> Array:
    """Return the coefficients (P fields,) of the problem's guess."""
    space, part = task.space(attempt.axes, attempt.low, attempt.high), task.part(attempt.low, attempt.high)
    fit = System(space, part, [guess], task.problem.fields, ansatz=task.ansatz, device=task.device)
    start = torch.zeros(fit.size, dtype=torch.float64, device=task.device)
    return LaggedGaussNewton().step(fit, start).vector.cpu().numpy()


def initial_conditions(task: MarchTask, attempt: Attempt, space: TensorProduct) -> Array:
    """Return coefficients of the initial values, continued with the initial velocity if that is prescribed."""
    time, fields = task.time, task.problem.fields
    values = prescribed_values(task, attempt, space)
    if values is not None:
        start = np.zeros((*space.shape, 1))
        np.moveaxis(start, time, 0)[0] = values[..., None]
        return start
    order = max(len(p) for block in task.starts for partials in block.partials.values() for p in partials)
    axes = [LegendreAxis(axis.breakpoints, order) if a == time else axis for a, axis in enumerate(space.axes)]
    part = task.part(attempt.low, attempt.high)
    fit = System(TensorProduct(axes), part, task.starts, fields, ansatz=task.ansatz, device=task.device)
    found = LaggedGaussNewton().step(fit, torch.zeros(fit.size, dtype=torch.float64, device=task.device)).vector
    start = np.zeros((*space.shape, len(fields)))
    known = found.cpu().numpy().reshape(*fit.space.shape, len(fields))
    np.moveaxis(start, time, 0)[: order + 1] = np.moveaxis(known, time, 0)
    return start


def prescribed_values(task: MarchTask, attempt: Attempt, space: TensorProduct) -> Array | None:
    """Return the coefficients (sizes in space) of initial values, fitted along one axis after the other.

    None if the start is more than the values of one field in a box: then it takes a system of rows.
    """
    (block, *others), part = task.starts, task.part(attempt.low, attempt.high)
    alone = not others and plain(block) and dict(block.partials) == {0: frozenset({()})}
    if not alone or task.ansatz or task.shaped or len(task.problem.fields) > 1:
        return None
    where = quadrature(block, part, space.axes)
    placed = Placed.at(block, part.names, torch.as_tensor(where.points), torch.as_tensor(where.index))
    at_zero, slopes = placed.slopes(
        [torch.zeros(len(where.points), 1, 1, dtype=torch.float64)] * len(placed.images), {}
    )
    if not isinstance(where.shapes, tuple) or len(where.shapes) != 1 or len(placed.images) != 1:
        return None
    if not all((s.by_jets[0] == 1).all() for s in slopes):
        return None
    values: Array = -at_zero[0].numpy().reshape([len(gauss_weights(space.axes[a])) for a in task.along])
    for place, a in enumerate(task.along):
        along = np.moveaxis(values, place, 0)
        fitted = space.axes[a].fit(along.reshape(len(along), -1))
        values = np.moveaxis(fitted.reshape(-1, *along.shape[1:]), 0, place)
    return values


# Solved slabs --------------------------------------------------------------------------------------------------------


def measure_slab(task: MarchTask, attempt: Attempt, system: System, vector: Tensor) -> Slab:
    """Return the slab of a vector of unknowns, with its residual and the size of its last coefficients in time."""
    coefficients, _ = system.split(vector)
    space = system.space
    splines, amounts = np.split(coefficients.cpu().numpy(), [math.prod(space.shape)])
    array = splines.reshape(*space.shape, len(task.problem.fields))
    constants = vector[coefficients.numel() :].cpu().numpy()
    tail, flat = 0.0, False
    if task.slabbed:
        sizes = sizes_inside(system, array, amounts) if task.shaped else sizes_in_time(space, task.time, array)
        tail, flat = tail_of(sizes, expensive=len(task.along) > 1)
        tail *= share_of_least(task, attempt, system, vector)
    residual = relative_residual(system, vector, task.tolerances.checked)
    return Slab(
        attempt.low,
        attempt.high,
        space.axes,
        array,
        constants,
        residual,
        tail,
        flat,
        system.misfit(vector),
        task.singular,
        amounts,
        math.sqrt(system.conditions_loss(vector, task.initial)) if task.slabbed else 0.0,
    )


def share_of_least(task: MarchTask, attempt: Attempt, system: System, vector: Tensor) -> float:
    """Return the size of the fields relative to those for which they are taken; 1 if one of them is no smaller."""
    if not system.least.all():
        return 1.0
    sizes = rms_of_fields(system.at(vector), task, attempt.low, attempt.high)
    return min(1.0, float((sizes / system.least).amax()))


def sizes_inside(system: System, coefficients: Array, amounts: Array) -> Array:
    """Return the norm inside a shape of the coefficient of each polynomial in time, (degree + 1,).

    The splines have coefficients (*shape, fields), which may be wild outside the shape, and singular functions have
    `amounts` (K T, fields).
    """
    time = system.domain.time
    assert time is not None
    others = [a for a in range(len(system.space.axes)) if a != time]
    functions = system.space.functions if isinstance(system.space, EnrichedProduct) else ()
    space = product_of([system.space.axes[a] for a in others], functions)
    splines = np.moveaxis(coefficients, time, -2).reshape(-1, coefficients.shape[time] * coefficients.shape[-1])
    each = np.concatenate([splines, amounts.reshape(len(functions), splines.shape[1])])
    squares = np.zeros(coefficients.shape[time])
    for image, _, own in system.interiors(JetPlan(system.domain.dimension, [()])):
        once = image.points[image.points[:, time] == image.points[0, time]].cpu()
        jets = space.at_points(once[:, others], JetPlan(len(others), [()])).jets(torch.as_tensor(each))
        values = jets[:, 0].view(len(once), len(squares), -1) * own.cpu()
        squares += values.square().sum(dim=2).mean(dim=0).numpy()
    return np.sqrt(squares)


def relative_residual(system: System, vector: Tensor, checked: int) -> float:
    """Return the relative residual of the equation, on a separate grid as fine as the intervals, and the conditions."""
    random = np.random.default_rng(0)
    lines, weights = [], np.ones(1)
    for axis in system.space.axes:
        b, each = axis.breakpoints, max(2, math.ceil(checked / axis.intervals))
        places = (np.arange(axis.intervals * each) + random.random(axis.intervals * each)) / each
        lines.append((np.interp(places, np.arange(len(b)), b) - b[0]) / (b[-1] - b[0]))
        weights = np.multiply.outer(weights, np.repeat(np.diff(b), each)).ravel()
    unit = grid_of(lines)
    total = system.conditions_loss(vector)
    for number in system.equations:
        piece = system.pieces[number]
        domain = piece.placed.block.within(system.domain)
        points, shares, shapes = inside(domain, unit, weights, tuple(len(line) for line in lines))
        where = torch.as_tensor(points, device=vector.device)
        total += float(shares @ system.relative_squares(piece, vector, where, shapes).cpu().numpy()) / shares.sum()
    return math.sqrt(total)


def complete_pass(task: MarchTask, state: MarchState, present: Callable[[], Slab]) -> Pass:
    """Return the current pass as complete: the solved slabs, then their end continued as a constant.

    Before the first slab is solved, the present attempt stands for it, `present()`.
    """
    here = state.last or present()
    solved = state.slabs or (here,)
    if here.high == 1.0:
        return Pass(solved)
    spline_axes = tuple(axis for axis in here.axes if isinstance(axis, SplineAxis))
    space = task.space(spline_axes, here.high, 1.0)
    rest, amounts = constant_in_time(here, space, task.time)
    held = Slab(
        here.high,
        1.0,
        space.axes,
        rest,
        here.constants,
        here.residual,
        0.0,
        functions=here.functions,
        amounts=amounts,
    )
    return Pass((*solved, held))
