"""The decisions of a descent, as functions of losses: when to measure scales, exchange points, insert knots and end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

SETTLING = (5, 10, 20, 40)  # iterations of a stage before which the scales of the blocks are measured again
CHECK_EVERY = 5  # number of iterations between checks of the loss if points are not exchanged
EXCHANGE_RATIO = 3.0  # points are exchanged if the loss at fresh ones is above this multiple of the present loss
MIN_LOSS = 3e-16  # smallest loss worth reducing: below it rounding errors of second derivatives dominate its root
REFINEMENT_CHECKS = 2  # number of checks over which the fall of the loss decides on finer knots
REFINEMENT_FALL = 0.3  # knots are refined if the loss falls to more than this share over REFINEMENT_CHECKS checks
PATIENCE = 8  # number of checks over which the fall of the loss decides on the end, if no finer knots are allowed
CONVERGED_FALL = 0.9  # a stage has converged if the loss falls to more than this share over PATIENCE checks
REJECTIONS = 3  # number of successive steps without gain, with fresh points in between, that end a stage


@dataclass(frozen=True)
class PointPolicy:
    """The rule by which points are kept, exchanged after a comparison with fresh ones, or renewed."""

    every: int  # number of iterations between comparisons with fresh points; 0: the points never change
    affine: bool  # True: points are exchanged if necessary; False: they are renewed in each iteration

    def renews(self, iteration: int, gauss_newton: bool) -> bool:
        """Return True if most points are renewed in this iteration.

        They are for nonlinear equations in Gauss–Newton stages, because a composition may oscillate between fixed ones.
        """
        return iteration > 0 and self.every > 0 and gauss_newton and not self.affine

    def checks(self, iteration: int, rejected: int, pace: int = 1) -> bool:
        """Return True if a loss at fresh points is due, after `rejected` successive steps without gain.

        It is due `pace` times less often than the setting says.
        """
        return iteration > 0 and (iteration % (pace * (self.every or CHECK_EVERY)) == 0 or rejected > 0)

    def exchanges(self, seen: float, hidden: float) -> bool:
        """Return True if the loss at fresh points, `hidden`, is too much above that at the present ones, `seen`."""
        return math.isfinite(hidden) and hidden > max(EXCHANGE_RATIO * seen, MIN_LOSS)


class Verdict(Enum):
    """The decision that follows from the course of the loss."""

    STEP = auto()
    INSERT_KNOTS = auto()
    END = auto()


@dataclass(frozen=True)
class KnotPolicy:
    """The rule by which knots are inserted and a Gauss–Newton stage ends."""

    max_parameters: float  # largest number of parameters of a refined network

    def verdict(self, loss: float, checks: Sequence[float], rejected: int, refined_size: int) -> Verdict:
        """Return the decision after `rejected` successive steps without gain.

        `checks` are the losses at fresh points since the last change of knots, scales, window or stage; `refined_size`
        is the number of parameters after a refinement.
        """
        if not math.isfinite(loss):
            return Verdict.STEP
        if loss <= MIN_LOSS or rejected >= REJECTIONS:
            return Verdict.END
        if not rejected and fall(checks, REFINEMENT_CHECKS) < REFINEMENT_FALL:
            return Verdict.STEP
        if refined_size <= self.max_parameters:
            return Verdict.INSERT_KNOTS
        return Verdict.END if fall(checks, PATIENCE) > CONVERGED_FALL else Verdict.STEP


def fall(losses: Sequence[float], count: int) -> float:
    """Return the smallest of the last `count` losses over the smallest of the `count` before; 0 if there are fewer."""
    if len(losses) < 2 * count:
        return 0.0
    before, after = min(losses[-2 * count : -count]), min(losses[-count:])
    return after / max(before, np.finfo(float).tiny) if math.isfinite(after) else math.inf


def nan_to_inf(loss: float) -> float:
    """Return the loss; infinity if it is not a number."""
    return math.inf if math.isnan(loss) else loss
