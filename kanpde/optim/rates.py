"""Learning rates that follow a schedule: constant, warmed up, along half a cosine, or reduced on a plateau."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RATE_REDUCTION = 0.3  # factor on the learning rate after values that were not finite
PLATEAU_REDUCTION, PLATEAU_PATIENCE = 0.5, 10  # factor after so many iterations without a notable fall of the loss
NOTABLE = 0.99  # a loss falls notably if it is below this share of the best one
SCHEDULES = ("constant", "cosine", "plateau")


@dataclass(frozen=True)
class RatePlan:
    """What a schedule is: its name, the iterations of its warm-up and of all, and the steps in an iteration."""

    schedule: str = "constant"
    warmup: int = 0
    iterations: int = 1
    steps: int = 1

    @property
    def constant(self) -> bool:
        """True if the rate never changes."""
        return self.schedule == "constant" and not self.warmup


class Rates:
    """The factor on a learning rate, as a function of the steps taken and, on a plateau, of their losses.

    It rises linearly to 1 over the warm-up. Then it is 1, or falls to 0 as (1 + cos πt) / 2 with t from 0 to 1
    (Loshchilov and Hutter, arXiv 1608.03983), or is halved if the mean loss of an iteration has not fallen for a while.
    """

    def __init__(self, plan: RatePlan) -> None:
        self._plan = plan
        self._count, self._waited, self._reduction = 0, 0, 1.0
        self._best: float | None = None
        self._sum = 0.0

    @property
    def factor(self) -> float:
        """The factor of the next step."""
        plan = self._plan
        begun = plan.warmup * plan.steps
        if self._count < begun:
            return (self._count + 1) / begun
        if plan.schedule == "cosine":
            passed = (self._count - begun) / max(plan.iterations * plan.steps - begun, 1)
            return (1 + math.cos(math.pi * min(passed, 1.0))) / 2
        return self._reduction

    def note(self, loss: float) -> None:
        """Record the loss of a step."""
        if self._plan.constant:
            return
        self._count += 1
        self._sum += loss
        if self._count % self._plan.steps == 0:
            mean, self._sum = self._sum / self._plan.steps, 0.0
            if self._plan.schedule == "plateau" and self._count > self._plan.warmup * self._plan.steps:
                self._judge(mean)

    def _judge(self, loss: float) -> None:
        """Reduce the rate if the loss has not fallen notably for a while."""
        if self._best is None or loss < NOTABLE * self._best:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited >= PLATEAU_PATIENCE:
            self._reduction, self._waited = self._reduction * PLATEAU_REDUCTION, 0

    def state(self) -> dict[str, Any]:
        """Return all that the next factors depend on, as JSON."""
        return {
            "count": self._count,
            "waited": self._waited,
            "reduction": self._reduction,
            "best": self._best,
            "sum": self._sum,
        }

    def restore(self, numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._count, self._waited = int(numbers["count"]), int(numbers["waited"])
        self._reduction, self._best, self._sum = float(numbers["reduction"]), numbers["best"], float(numbers["sum"])
