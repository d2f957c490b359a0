"""When a descent measures its scales, exchanges its points and inserts knots: decisions as functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

SETTLING = (5, 10, 20, 40)  # iterations before which the scales of the blocks are measured again, to be kept after
CHECK_EVERY = 5  # iterations between checks of the loss if points are not exchanged
HIDING = 3.0  # points are exchanged if fresh ones see more than this many times the loss of the present ones
ROUND_OFF = 3e-16  # a loss below this gains nothing more: its root is near the last digits of second derivatives
PACE = 2  # checks over which progress is judged
SLOW = 0.3  # a loss that falls by less than this factor over PACE checks calls for finer knots
PATIENCE = 8  # checks over which the end is judged, if no finer knots are allowed
STUCK = 0.9  # a loss that falls by less than this factor over PATIENCE checks has converged
REJECTIONS = 3  # steps in a row without any gain, fresh points in between, that end a stage


@dataclass(frozen=True)
class PointPolicy:
    """Whether points are kept, compared with fresh ones and exchanged, or renewed."""

    every: int  # iterations between comparisons; 0: the points stay
    affine: bool  # a linear equation's points are exchanged if need be, another's are renewed at every iteration

    def renews(self, iteration: int, gauss_newton: bool) -> bool:
        """Return whether most points are new in this iteration: a composition may bend between fixed ones."""
        return iteration > 0 and self.every > 0 and gauss_newton and not self.affine

    def checks(self, iteration: int, rejected: int) -> bool:
        """Return whether a loss at fresh points is due, after `rejected` steps in a row without any gain."""
        return iteration > 0 and (iteration % (self.every or CHECK_EVERY) == 0 or rejected > 0)

    def exchanges(self, seen: float, hidden: float) -> bool:
        """Return whether fresh points see too much more, `hidden`, than the loss `seen` by the present ones."""
        return math.isfinite(hidden) and hidden > max(HIDING * seen, ROUND_OFF)


class Verdict(Enum):
    """What follows from the course of the loss."""

    STEP = auto()
    INSERT_KNOTS = auto()
    END = auto()


@dataclass(frozen=True)
class KnotPolicy:
    """When knots are inserted, and when a stage that converges by itself has ended."""

    max_parameters: float

    def verdict(self, loss: float, checks: Sequence[float], rejected: int, refined_size: int) -> Verdict:
        """Return what to do after `rejected` steps in a row without any gain.

        `checks` are the losses at fresh points since anything else changed; `refined_size` is the number of parameters
        that finer knots would lead to.
        """
        if not math.isfinite(loss):
            return Verdict.STEP
        if loss <= ROUND_OFF or rejected >= REJECTIONS:
            return Verdict.END
        if not rejected and fall(checks, PACE) < SLOW:
            return Verdict.STEP
        if refined_size <= self.max_parameters:
            return Verdict.INSERT_KNOTS
        return Verdict.END if fall(checks, PATIENCE) > STUCK else Verdict.STEP


def fall(losses: Sequence[float], count: int) -> float:
    """Return the best of the last `count` losses over that of as many before; 0 if there are fewer."""
    if len(losses) < 2 * count:
        return 0.0
    before, after = min(losses[-2 * count : -count]), min(losses[-count:])
    return after / max(before, np.finfo(float).tiny) if math.isfinite(after) else math.inf


def nan_to_inf(loss: float) -> float:
    """Return the loss, infinite if it is not a number."""
    return math.inf if math.isnan(loss) else loss
