"""The audit of a solution: an estimate of its error, and a verdict with reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from kanpde.calculus.devices import PROCESSOR
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.affine import all_affine
from kanpde.collocation.rows import Placed
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.audit import Audit
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.branches import another_branch, branches_off, searched
from kanpde.marching.audit.correction import Corrected, corrections, finer_splines
from kanpde.marching.audit.data import audit_of_data
from kanpde.marching.audit.measuring import RESOLUTION, Estimates, estimates, lost_after
from kanpde.marching.audit.missing_conditions import missing_conditions
from kanpde.marching.audit.narrow_coefficients import missed_coefficients
from kanpde.marching.audit.noise import Noise
from kanpde.marching.audit.parts import Part, parts_of_network
from kanpde.marching.audit.places import missed
from kanpde.marching.audit.products import relative_residual, weakest_product
from kanpde.marching.audit.reasons import (
    FREE,
    LARGE,
    Evidence,
    FunctionDeviation,
    amplified_of,
    reasons_of,
    rows_left,
    verdict_of,
)
from kanpde.marching.audit.short_waves import amplified_waves
from kanpde.marching.iteration import operations
from kanpde.marching.split import split
from kanpde.marching.task import FACTORED_DIMENSION, MarchTask
from kanpde.network.trial_function import Model
from kanpde.problem.found_function import MEASURED, Deviation, FoundFunction
from kanpde.problem.problem import Problem
from kanpde.problem.regression import Regression

SAMPLES = 2048  # number of points at which the size of a solution is measured
NEGLIGIBLE = 1e-8  # variance, relative to the largest one, that is left out
FINEST = 5  # largest number of refinements, each by a factor of four, of the correction of a solution that is all wrong
FIRST_ORDER = 1e-2  # estimate from which the correction of an evolution is repeated
UNSURE = 1e-2  # error which the rows that a correction leaves may cause, from which it is computed on finer splines
REPEATED = 4  # so many times at most
CHEAP = 1e8  # most operations of a factor in such a correction
AGREE = 2.0  # ratio of two estimates below which it is refined no more
MOST_UNKNOWNS = 8000  # largest number of unknowns of a part's correction
MOST_ITERATED = 1_500_000  # the same of one that is computed by iteration


def audit(
    problem: Problem,
    model: Model,
    *,
    parts: Sequence[Part] = (),
    target: float | None = None,
    wanted_bound: float | None = None,
    diverged: bool = False,
    cut_by: str = "",
    residual: float = math.inf,
    memory: float = math.inf,
) -> Audit:
    """Return the audit of a model as a solution of a problem; it raises nothing that the problem raises.

    It has a proved bound only if one was asked for: see `with_bound`.

    `parts` are those of the computation, if it has any; otherwise those of the network are used. `target` is the
    largest relative error that counts as solved, 1e-3 by default. `wanted_bound` was asked to be proved of the largest
    error; a reason says if it is not, and the verdict does not depend on it. `diverged` says how it
    ended. `residual` is training's own relative residual, which is the estimate where no correction can be computed: on
    domains that are no boxes, and in more than three dimensions. Corrections take at most this `memory`, in bytes.
    """
    if isinstance(problem, Regression):
        return audit_of_data(problem, model, diverged=diverged, cross_validated=residual)
    bound, steps = (None, ()) if wanted_bound is None else error_bound(problem, model, memory=memory)
    unproved = missed_bound(bound, steps, wanted_bound)
    try:
        evidence = collected(problem, model, parts, residual, memory)
        known = constants_of(model)
        waves = amplified_waves(problem, model, known) if evidence.reached == 1 else None
        evidence = replace(evidence, waves=waves, uncounted=missing_conditions(problem, model, known))
    except Exception as error:  # an audit that fails must not cost the run its solution
        reason = " ".join(str(error).split())
        verdict = "failed" if diverged else "doubtful"
        stopped = f"the audit was stopped by {type(error).__name__}: {reason}"
        return Audit(verdict, (stopped, *unproved), None, None, bound, steps)
    found = concluded(replace(evidence, diverged=diverged, cut_by=cut_by), target)
    return replace(found, reasons=(*found.reasons, *unproved), error_bound=bound, bound_steps=steps)


def with_bound(audited: Audit, problem: Problem, model: Model, memory: float = math.inf) -> Audit:
    """Return an audit with the proved bound of its model's error, or with the reason why there is none.

    The proof takes at most this `memory`, in bytes.
    """
    if audited.bound_steps or isinstance(problem, Regression):
        return audited
    bound, steps = error_bound(problem, model, memory=memory)
    return replace(audited, error_bound=bound, bound_steps=steps)


def missed_bound(bound: float | None, steps: Sequence[str], wanted: float | None) -> tuple[str, ...]:
    """Return a sentence if the bound that was asked for is not proved."""
    if wanted is None or (bound is not None and bound <= wanted):
        return ()
    if bound is None:
        return (f"the error is not proved to be at most {wanted:g}: {steps[0]}",)
    return (f"the error is proved to be at most {bound:.1e}, not {wanted:g}",)


def collected(
    problem: Problem, model: Model, parts: Sequence[Part], residual: float, memory: float = math.inf
) -> Evidence:
    """Return the evidence on a model, by corrections that fit into the `memory`, in bytes."""
    known, size = constants_of(model), size_of(model, problem)
    unseen = (
        *missed(problem, lambda placed: rows_of(model, placed), known, size),
        *missed_coefficients(problem, model, known, size),
    )
    dimension = problem.domain.dimension
    corrected = dimension in RESOLUTION and (dimension <= FACTORED_DIMENSION or parts)
    if not isinstance(problem.domain, Shape) or not corrected:
        # Training has no residual of its own if it ended before its first solution.
        estimate = residual if math.isfinite(residual) else relative_residual(problem, model)
        many = dimension > FACTORED_DIMENSION
        direction = weakest_product(problem, model) if many else None
        return Evidence(estimate, None, missed=unseen, direction=direction, many=many)
    task = MarchTask(
        split(problem),
        1,
        None,
        affine=all_affine(problem),
        most=MOST_UNKNOWNS,
        device=PROCESSOR,
        most_iterated=MOST_ITERATED,
        iterated_on=model.constants.device,
        memory=memory,
    )
    parts = tuple(parts) or parts_of_network(task, model)
    constants = model.constants.detach().double().cpu()
    found: Sequence[Corrected] = corrections(task, parts, constants)
    measured = estimates(task, model, parts, found)
    unsure = any(amplified_of(each) > UNSURE for each in found)
    if not task.slabbed and (unsure or measured[0] >= LARGE or not satisfied(found)):
        found, measured = refined(task, model, parts, constants, found, measured)
    elif task.slabbed and measured[0] > FIRST_ORDER and lost_after(parts, found) == 1.0:
        found, measured = repeated(task, model, parts, constants, found, measured)
    error, largest, size, course = measured
    held = all(each.weakest is not None and each.weakest.noticed >= FREE for each in found)
    doubted = held and branches_off(task) and searched(task) and error < LARGE
    branch = another_branch(task, parts[0], constants) if doubted else None
    noise = next((each.noise for each in found if each.noise is not None), None)
    if noise is None:
        return Evidence(error, largest, parts, found, unseen, branch=branch, course=course)
    spread = noise.spread / size if size > 0 else noise.spread
    deviations = deviations_of(problem, model, noise)
    scalars = {name: each for name, each in noise.constants.items() if name in problem.unknowns}
    uncertainty = {**scalars, **{each.name: each.largest for each in deviations}} or None
    return Evidence(
        math.hypot(error, spread),
        largest,
        parts,
        found,
        unseen,
        noise=spread,
        uncertainty=uncertainty,
        deviations=deviations,
        scalars={name: relative_deviation(problem, model, name, each) for name, each in scalars.items()},
        course=course,
    )


def relative_deviation(problem: Problem, model: Model, name: str, deviation: float) -> float:
    """Return the standard deviation of an unknown constant, relative to its value or its start; 0 if it is unknown."""
    size = max(abs(float(constants_of(model)[name])), abs(float(problem.constants[name])), 1e-300)
    return deviation / size if math.isfinite(deviation) else 0.0


def deviations_of(problem: Problem, model: Model, noise: Noise) -> tuple[FunctionDeviation, ...]:
    """Return the standard deviations of the unknown functions."""
    found, names, values = [], list(noise.constants), constants_of(model)
    for expansion in problem.expansions:
        which = [names.index(name) for name in expansion.names]
        covariance = noise.covariance.cpu().numpy()[np.ix_(which, which)]
        if not np.isfinite(covariance).all():
            found.append(FunctionDeviation(expansion.name, math.inf, math.inf, ()))
            continue
        sizes, directions = np.linalg.eigh(covariance)
        kept = sizes > NEGLIGIBLE * sizes[-1]
        factor = directions[:, kept] * np.sqrt(sizes[kept])
        points = expansion.grid(MEASURED[len(expansion.axes)])
        deviation = Deviation(expansion, factor).values(points)
        size = FoundFunction(expansion, torch.stack([values[name] for name in expansion.names])).values(points)
        relative = float(np.linalg.norm(deviation) / max(float(np.linalg.norm(size)), 1e-300))
        rows = tuple(map(tuple, factor.tolist()))
        found.append(FunctionDeviation(expansion.name, float(deviation.max()), relative, rows))
    return tuple(found)


def concluded(evidence: Evidence, target: float | None) -> Audit:
    """Return the audit of the evidence."""
    estimate = evidence.judged
    target = 1e-3 if target is None else target
    reasons = reasons_of(evidence, target)
    largest = evidence.largest if evidence.largest is not None and math.isfinite(evidence.largest) else None
    factors = {each.name: each.factor for each in evidence.deviations}
    told = {} if evidence.course is None else evidence.course.summary(target)
    return Audit(
        verdict_of(evidence, reasons),
        reasons,
        estimate,
        largest,
        uncertainty=evidence.uncertainty,
        factors=factors,
        **told,
    )


def refined(
    task: MarchTask,
    model: Model,
    parts: Sequence[Part],
    constants: torch.Tensor,
    found: Sequence[Corrected],
    measured: Estimates,
) -> tuple[Sequence[Corrected], Estimates]:
    """Return corrections of a steady solution on finer and finer splines, after those that were `found`.

    If it is all wrong, the splines of the first correction are as coarse as its own: both may miss the same layer. If
    what the first one leaves of the rows may stand for much, its splines may be too coarse for a front. They are
    refined until two estimates agree and the rows are satisfied, or a factor would cost too much. An estimate that
    falls more than the rows is not taken: round-off hides weak directions from some number of splines on.
    """

    def finer(power: int, before: Sequence[Corrected]) -> Sequence[Corrected] | None:
        axes, last = (finer_splines(task, parts[0], 4.0**each) for each in (power, power - 1))
        if task.unknowns_of(axes) < 2 * task.unknowns_of(last) or operations(task, axes) > CHEAP:
            return None
        again = corrections(task, parts, constants, 4.0**power, directions=False)
        return [replace(each, weakest=before[0].weakest) for each in again]

    return agreed(partial(estimates, task, model, parts), found, measured, finer, FINEST, satisfied, rising=True)


def repeated(
    task: MarchTask,
    model: Model,
    parts: Sequence[Part],
    constants: torch.Tensor,
    found: Sequence[Corrected],
    measured: Estimates,
) -> tuple[Sequence[Corrected], Estimates]:
    """Return corrections of an evolution by more than one Gauss–Newton step, after the first ones that were `found`.

    An error that is not small has parts of second order, so that one step shows but a share of it.
    """

    def another(number: int, before: Sequence[Corrected]) -> Sequence[Corrected]:
        about = [replace(part, function=each.function) for part, each in zip(parts, before, strict=True)]
        again = corrections(task, about, constants, directions=False)
        return [replace(one, function=each.function) for one, each in zip(before, again, strict=True)]

    return agreed(partial(estimates, task, model, parts), found, measured, another, REPEATED, lambda each: True)


def agreed(
    measure: Callable[[Sequence[Corrected]], Estimates],
    found: Sequence[Corrected],
    measured: Estimates,
    following: Callable[[int, Sequence[Corrected]], Sequence[Corrected] | None],
    most: int,
    enough: Callable[[Sequence[Corrected]], bool],
    *,
    rising: bool = False,
) -> tuple[Sequence[Corrected], Estimates]:
    """Return the corrections after at most so many `following` ones, with their estimates, of which the last two agree.

    They end before if there are no more, or if an estimate is not finite, or, where it is to be `rising`, falls more
    than the rows.
    """
    for number in range(1, most + 1):
        after = following(number, found)
        now = None if after is None else measure(after)
        if after is None or now is None or not math.isfinite(now[0]):
            break
        if rising and AGREE * now[0] < measured[0] and rows_left(after) * measured[0] > rows_left(found) * now[0]:
            break
        agree = max(now[0], measured[0]) < AGREE * min(now[0], measured[0])
        found, measured = after, now
        if agree and enough(after):
            break
    return found, measured


def satisfied(found: Sequence[Corrected]) -> bool:
    """Return True if corrections leave but a small part of all rows."""
    return all(left < LARGE for each in found for left in each.after.values())


def size_of(model: Model, problem: Problem) -> float:
    """Return the largest size of a model's fields at some points inside."""
    points = problem.domain.interior(np.random.default_rng(0).random((SAMPLES, problem.domain.dimension)))
    values = model.jets_at(torch.as_tensor(points), JetPlan(problem.domain.dimension, [()]))
    return float(values.detach().abs().nan_to_num(0.0, 0.0, 0.0).max())


def rows_of(model: Model, placed: Placed) -> torch.Tensor:
    """Return the rows (c, n) of a model at a block's points."""
    with torch.no_grad():
        jets = [model.jets_at(points, placed.plan).double().cpu() for points in placed.images]
        return placed.rows(jets, constants_of(model))


def constants_of(model: Model) -> dict[str, torch.Tensor]:
    """Return the unknown constants of a model by name."""
    return {name: value.detach().double().cpu() for name, value in model.unknowns.items()}
