"""How the estimated error of an evolution grows over time, and until when its solution can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array

SHOWN = 10  # periods of time of which the largest error is told
GROWN = 30.0  # ratio of the errors at which the solution ends to be believed and halfway there that is a growth
START = 0.05  # share of the times in which the size of a solution is measured at least
ENDING = 10.0  # multiple of the target that the error may reach at the end of an evolution that is solved


@dataclass(frozen=True, eq=False)
class Course:
    """The estimated errors (n,) at increasing times (n,), relative to the solution's root mean square until then.

    What comes later has no part in that, because a wrong solution may grow beyond all bounds. `last` is the problem's
    last time and `solved_until` the one that was reached, before which all times are.
    """

    times: Array
    errors: Array
    last: float
    solved_until: float

    @classmethod
    def of(
        cls, times: Array, errors: Array, values: Array, weights: Array, bounds: tuple[float, float, float]
    ) -> Course:
        """Return the course of errors and of values (m, f) at points with these times and weights, (m,).

        `bounds` are the first time, the time that was reached and the last time.
        """
        first, reached, last = bounds
        inside = times <= reached
        places, place = np.unique(times[inside], return_inverse=True)
        if not len(places):
            return cls(places, places, last, first)
        shares, wrong, size = (
            np.bincount(place, (weights * each)[inside], len(places))
            for each in (np.ones(len(times)), np.square(errors).sum(axis=1), np.square(values).sum(axis=1))
        )
        until = np.sqrt(np.cumsum(size) / np.cumsum(shares))
        start = int(START * len(places))
        until[:start] = until[start]  # a solution may be zero at first
        return cls(places, np.sqrt(wrong / shares) / np.maximum(until, 1e-300), last, reached)

    def believed_until(self, target: float) -> float:
        """Return the last time up to which all errors are at most `target`."""
        beyond = np.flatnonzero(~(self.errors <= target))
        if not len(beyond):
            return self.solved_until
        return float(self.times[max(beyond[0] - 1, 0)])

    def periods(self) -> list[tuple[float, float]]:
        """Return the ends of periods of time, and the largest error in each."""
        parts = [part for part in np.array_split(np.arange(len(self.times)), SHOWN) if len(part)]
        return [(float(self.times[part[-1]]), float(self.errors[part].max())) for part in parts]

    def rate(self, target: float) -> float | None:
        """Return λ, if the error grows like exp(λ t) until it reaches `target`; None if it does not."""
        until = np.flatnonzero(self.times <= self.believed_until(target))
        times, errors = self.times[until], np.maximum.accumulate(np.maximum(self.errors[until], 1e-300))
        if len(until) < SHOWN:
            return None
        half = len(until) // 2
        slope = math.log(errors[-1] / errors[half]) / (times[-1] - times[half])
        return slope if errors[-1] > GROWN * errors[half] else None

    def summary(self, target: float) -> dict[str, Any]:
        """Return the course's part of an audit, by name."""
        periods = tuple((time, error if math.isfinite(error) else None) for time, error in self.periods())
        return {
            "solved_until": self.solved_until,
            "believed_until": self.believed_until(target),
            "error_in_time": periods,
        }

    def reasons(self, target: float) -> Iterator[str]:
        """Yield the sentence on the time until which the solution can be believed, if that is not the end."""
        until, rate = self.believed_until(target), self.rate(target)
        ends_beyond = bool(len(self.errors)) and not self.errors[-1] <= ENDING * target
        if until >= self.solved_until or not (ends_beyond or rate is not None):
            return
        text = f"to a relative error of {target:.0e} it can be believed until t = {until:.4g} of {self.last:.4g}"
        if rate is not None:
            text += (
                f"; errors grow about like exp({rate:.2g} t) there, as where a problem is unstable or chaotic, so that "
                "more digits would move that time only a little"
            )
        yield text
