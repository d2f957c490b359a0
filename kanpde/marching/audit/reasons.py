"""The verdict on a solution, and the sentences that say why it is not solved, from the evidence of an audit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kanpde.marching.audit.branches import Branch
from kanpde.marching.audit.correction import Corrected
from kanpde.marching.audit.course import Course
from kanpde.marching.audit.directions import Direction
from kanpde.marching.audit.missing_conditions import Uncounted
from kanpde.marching.audit.parts import Part
from kanpde.marching.audit.places import Missed
from kanpde.marching.audit.short_waves import Amplified
from kanpde.marching.split import JOINTS

LARGE = 0.3  # an estimate of the relative error from which a solution has failed
FREE = 3e-5  # a direction that the rows notice less leaves the solution open
# A direction that finer splines confirm holds the solution nevertheless, if the rows notice it more than the first
# number (a factor of JᵀJ shows no less than the root of round-off), and if what is left of them may cause a smaller
# relative error than the second one.
NOTICED, HELD = 3e-7, 1e-3
ROUND_OFF = 4 * 2.0**-53  # relative error of the rows that no solution is free of
NULL = 1e-13  # a direction that the rows notice less is free, and an error in it has no size
AMPLIFIED = 0.1  # largest relative error that the remaining residual may cause in the weakest direction
AMPLIFICATION = 1e2  # ratio of error and residual from which a problem is ill-conditioned
SMALL = 1e-6  # an error below which its amplification is not worth a word
KEPT = 0.7  # a correction has not lowered the residual if more than this share remains
AS_EXPECTED = 1.1  # ratio to the share that finer splines leave of a smooth solution up to which nothing is wrong
HIDDEN = 0.1  # share of missed data below which the relative residual shows that training has not seen them
INCONSISTENT = 1e-4  # relative residual from which one that finer splines do not lower is a contradiction
SHARE_OF_NOISE = 0.3  # share of the noise in the estimate from which it is the reason for a large one
OPEN = 0.1  # standard deviation of an unknown function, relative to its size, from which it is open
OPEN_CONSTANT = 1.0  # the same of an unknown constant
SHRUNK = 30.0  # ratio of the longest slab to the last one from which an unfinished march looks like a blow-up


@dataclass(frozen=True)
class FunctionDeviation:
    """The standard deviation of an unknown function: its largest value, that relative to the function as a root mean
    square, and a factor (J, r) of the covariance of the function's coefficients."""

    name: str
    largest: float
    relative: float
    factor: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Evidence:
    """What an audit has found out: the estimates, the corrected parts, and the data that the solution misses.

    `course` is that of the estimated error over time, None if the problem is no evolution.
    `noise` is the relative spread of the solution that the noise of measurements causes, part of the estimate, and
    `uncertainty` has the standard deviations of the unknown constants and `deviations` those of the unknown functions.
    `scalars` has those of the constants relative to their sizes.
    `branch` is another solution. `waves` is a place near which the equation is ill-posed in time, and `uncounted` one
    where conditions are missing.
    """

    estimate: float | None
    largest: float | None
    parts: Sequence[Part] = ()
    found: Sequence[Corrected] = ()
    missed: Sequence[Missed] = ()
    noise: float = 0.0
    uncertainty: Mapping[str, float] | None = None
    deviations: Sequence[FunctionDeviation] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)
    branch: Branch | None = None
    waves: Amplified | None = None
    uncounted: Uncounted | None = None
    course: Course | None = None
    diverged: bool = False
    cut_by: str = ""  # the setting whose limit ended the training before it had converged
    direction: Direction | None = None  # the weakest one that is known without corrected parts
    many: bool = False  # True if there are too many coordinates for a correction

    @property
    def reached(self) -> float:
        """The share of time that training has reached."""
        return min((part.low for part in self.parts if part.held), default=1.0)

    @property
    def after(self) -> float:
        """The norm of the rows that a correction leaves, a relative residual."""
        return rows_left(self.found)

    @property
    def before(self) -> float:
        """The norm of the rows before the correction."""
        return math.hypot(*(n for each in self.found for n in each.before.values()))

    def hides(self, missed: Missed) -> bool:
        """Return True if the relative residual shows that training has not seen what the solution misses."""
        return self.before < HIDDEN * missed.share

    @property
    def open(self) -> Direction | None:
        """The direction that the rows of any part notice least, if it leaves the solution open; else None."""
        beside = [] if self.direction is None else [(self.direction, self.estimate or 0.0)]
        known = beside + [(each.weakest, left_of(each)) for each in self.found if each.weakest is not None]
        left_open = [weakest for weakest, left in known if is_open(weakest, left)]
        return min(left_open, key=lambda direction: direction.noticed, default=None)

    @property
    def amplified(self) -> float:
        """The largest relative error that the remaining rows of one part may cause in its weakest direction."""
        beside = 0.0 if self.direction is None else amplified(self.direction, self.estimate or 0.0)
        return max([beside, *(amplified_of(each) for each in self.found)])

    @property
    def rounding(self) -> float:
        """The relative error that rounding the rows may cause in the weakest direction of a steady solution.

        A correction does not show it, because its own rows are rounded too.
        """
        if self.course is not None:
            return 0.0
        weakest = [each.weakest for each in self.found if each.weakest is not None]
        known = [each.noticed for each in weakest if not each.constant and each.unknown is None]
        return max((ROUND_OFF / noticed for noticed in known if noticed > NULL), default=0.0)

    @property
    def judged(self) -> float | None:
        """The estimate of the relative error, raised to what rounding causes, to the share of the data that no rows of
        training have shown, and to what the weakest direction allows if that is much."""
        if self.estimate is None or not math.isfinite(self.estimate):
            return None
        least = max(self.estimate, self.rounding, *(min(each.share, 1.0) for each in self.missed if self.hides(each)))
        raised = self.amplified > AMPLIFIED and self.reached == 1
        return max(least, min(1.0, self.amplified)) if raised else least


def is_open(weakest: Direction, left: float) -> bool:
    """Return True if a weakest direction leaves the solution open, where rows of the norm `left` are not satisfied."""
    if weakest.noticed >= FREE:
        return False
    found = weakest.resolved and not weakest.constant and weakest.unknown is None
    return not (found and weakest.noticed > NOTICED and left < HELD * weakest.noticed)


def amplified(weakest: Direction, left: float) -> float:
    """Return the relative error that rows of this norm may cause in the weakest direction; 0 if that is open."""
    return 0.0 if is_open(weakest, left) else left / weakest.noticed


def left_of(corrected: Corrected) -> float:
    """Return the norm of the rows that a correction leaves."""
    return math.hypot(*corrected.after.values())


def rows_left(found: Sequence[Corrected]) -> float:
    """Return the norm of all rows that corrections leave."""
    return math.hypot(*(left_of(each) for each in found))


def amplified_of(corrected: Corrected) -> float:
    """Return the relative error that these rows may cause in the weakest direction."""
    return 0.0 if corrected.weakest is None else amplified(corrected.weakest, left_of(corrected))


def verdict_of(evidence: Evidence, reasons: Sequence[str]) -> str:
    """Return "solved" without a reason against it, "failed" if the error is about as large as the solution."""
    if not reasons:
        return "solved"
    estimate = evidence.judged
    hopeless = (
        evidence.diverged or estimate is None or estimate >= LARGE or any(m.share >= LARGE for m in evidence.missed)
    )
    return "failed" if hopeless else "doubtful"


def reasons_of(evidence: Evidence, target: float) -> tuple[str, ...]:
    """Return the sentences that say why a solution is not solved to the relative error `target`."""
    return tuple(_reasons(evidence, target))


def _reasons(evidence: Evidence, target: float) -> Iterator[str]:
    if evidence.diverged:
        yield "training diverged: the residual is not finite"
    if evidence.reached < 1:
        yield unfinished(evidence)
    for each in evidence.missed:
        yield unseen(each, hidden=evidence.hides(each))
    yield from open_direction(evidence)
    if evidence.uncounted is not None:
        yield too_few(evidence.uncounted)
    if evidence.waves is not None:
        yield ill_posed(evidence.waves)
    functions = [(each.name, each.relative) for each in evidence.deviations if not each.relative <= OPEN]
    scalars = [(name, relative) for name, relative in evidence.scalars.items() if relative > OPEN_CONSTANT]
    for name, relative in (*functions, *scalars):
        yield (
            f"the measurements leave the unknown {name} open: its standard deviation is {relative:.0%} of its size; "
            "more of them would lower it"
        )
    if evidence.reached == 1:
        yield from amplification(evidence)
        yield from contradiction(evidence)
    if evidence.branch is not None:
        yield another(evidence.branch)
    estimate = evidence.judged
    if estimate is None:
        yield "the error could not be estimated, because the correction of the solution is not finite"
    elif estimate > target:
        hint = f"; a larger {evidence.cut_by} may lower it" if evidence.cut_by else ""
        if evidence.many and not evidence.cut_by:
            hint = "; in many coordinates only sums of few products of univariate functions have small errors"
        if evidence.noise > SHARE_OF_NOISE * estimate:
            hint = "; the noise of the measurements leaves so much open, and more of them would lower it"
        yield f"the estimated relative error is {estimate:.1e}, more than {target:.0e}{hint}"
    if evidence.course is not None:
        yield from evidence.course.reasons(target)


def unfinished(evidence: Evidence) -> str:
    """Return the sentence on a march that has not reached the end of time."""
    solved = [part.high - part.low for part in evidence.parts if not part.held]
    text = f"only {evidence.reached:.0%} of the time has been solved; after that the last state is held"
    if evidence.course is not None:
        text += f" (solved to t = {evidence.course.solved_until:.6g} of {evidence.course.last:.6g})"
    if len(solved) > 2 and solved[-1] < max(solved) / SHRUNK:
        return f"{text}; the steps shrink there, so the solution may blow up or form a shock"
    return f"{text}; a larger {evidence.cut_by or 'training.budget_seconds'} goes on"


def unseen(found: Missed, *, hidden: bool) -> str:
    """Return the sentence on data that the solution misses; `hidden` if the rows of training do not show it."""
    where = ", ".join(f"{name} = {value:.6g}" for name, value in found.point.items())
    if found.of_terms:
        terms = "the equation's terms" if found.block == "residual" else f"the terms of the condition {found.block!r}"
        text = f"the solution leaves {min(found.share, 1):.0%} of {terms}, near {where}"
        return f"{text}: a coefficient is narrower than the first knots there; try a larger network.intervals"
    what = "the equation's source" if found.block == "residual" else f"the data of the condition {found.block!r}"
    text = f"the solution misses {min(found.share, 1):.0%} of {what}, near {where}"
    return f"{text}: it is narrower than the first knots; try a larger network.intervals" if hidden else text


def open_direction(evidence: Evidence) -> Iterator[str]:
    """Yield the sentence on a direction that the equation and the conditions leave open, or nearly so."""
    weakest = evidence.open
    if any(each.weakest is None for each in evidence.found):
        yield "the derivative of the equation is not finite at the solution, which therefore may not be the only one"
    if weakest is None:
        return
    if weakest.unknown is not None:
        yield f"nothing determines the unknown {weakest.unknown}: another value solves the problem too; add Data"
    elif weakest.constant:
        yield f"a condition is missing: {weakest.field} + c solves the problem too, for every constant c"
    else:
        yield (
            f"the equation and the conditions leave the solution open to working precision: a change of "
            f"{weakest.field} by its own size changes them by {weakest.noticed:.0e}; a condition may be missing"
        )


def too_few(uncounted: Uncounted) -> str:
    """Return the sentence on conditions that are missing at a place."""
    place, needed, given = uncounted.place, uncounted.needed, uncounted.given
    return f"conditions are missing {place}: expected {needed}, which the order of the equation asks for, got {given}"


def ill_posed(waves: Amplified) -> str:
    """Return the sentence on an evolution that amplifies short waves without bound."""
    where = ", ".join(f"{name} = {value:.4g}" for name, value in waves.point.items())
    return (
        f"the equation is ill-posed in time near {where}: waves grow there, the faster the shorter they are, as in a "
        "heat equation backwards in time, so that errors below working precision may become as large as the solution"
    )


def another(branch: Branch) -> str:
    """Return the sentence on another solution."""
    where = ", ".join(f"{name} = {value:.3g}" for name, value in branch.point.items())
    return (
        f"another solution exists: at {where} its {branch.field} is {branch.other:.4g}, and here {branch.known:.4g}; "
        "a method `guess` of the problem names the one that is meant, and kanpde.branches finds them"
    )


def amplification(evidence: Evidence) -> Iterator[str]:
    """Yield the sentence on a small residual that stands for a large error."""
    estimate = evidence.judged
    if evidence.noise > SHARE_OF_NOISE * (estimate or 0):
        return
    if evidence.found and estimate is not None and estimate > SMALL and estimate > AMPLIFICATION * evidence.before:
        yield (
            f"the problem is ill-conditioned or ill-posed: a relative residual of {evidence.before:.0e} may stand for "
            f"a relative error of {estimate:.0e}"
        )


def contradiction(evidence: Evidence) -> Iterator[str]:
    """Yield the sentence on a residual that finer splines do not lower, and that is more than what noise leaves open.

    Beside noisy measurements the equation holds only as well as they weigh less than it.
    """
    after = evidence.after
    kept = max([KEPT, *(AS_EXPECTED * each.expected for each in evidence.found)])
    if not after > max(INCONSISTENT, evidence.noise) or after < kept * evidence.before:
        return
    text, shares = "finer splines do not lower", dict[str, float]()
    for each in evidence.found:
        for name, norm in each.after.items():
            shares[name] = math.hypot(shares.get(name, 0.0), norm)
    others = sorted(
        (name for name in shares if name not in ("residual", JOINTS) and shares[name] > 0.1 * after),
        key=shares.__getitem__,
    )
    if len(others) > 1:
        names = " and ".join(repr(name) for name in others[-2:])
        yield f"{text} the residual of {after:.0e}: the conditions {names} may contradict each other"
    elif others:
        yield f"{text} the residual of {after:.0e}: the condition {others[0]!r} may not be compatible"
    else:
        yield (
            f"{text} the equation's residual of {after:.0e}: there may be no solution, or one with a singularity or a "
            "layer narrower than the knots"
        )
