"""What an audit says of a solution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Audit:
    """What a run can be trusted for.

    `verdict` is "solved", "doubtful" or "failed"; `reasons` are sentences that say why it is not "solved".
    `error_estimate` estimates the relative L2 error over all fields, and `error_estimate_max` the largest absolute
    error; they are None if they could not be computed. `error_bound` is a number that the largest error is proved not
    to exceed; None if there is no proof. `bound_steps` are the lines of the proof, or the reason why there is none.
    `uncertainty` has one standard deviation of every unknown constant, from the noise of measurements, infinite if
    there are too few; None without measurements or unknown constants. An unknown function has its largest one there,
    and in `factors` a matrix F (J, r), as tuples, with the covariance F Fᵀ of its coefficients.

    An evolution is solved until the time `solved_until`, and its relative error is estimated to be at most the target
    until `believed_until`. `error_in_time` has the ends of some periods of time, and the largest error in each relative
    to the solution's root mean square, None if it is not finite. All are None for other problems.
    """

    verdict: str
    reasons: tuple[str, ...]
    error_estimate: float | None
    error_estimate_max: float | None
    error_bound: float | None = None
    bound_steps: tuple[str, ...] = ()
    uncertainty: Mapping[str, float] | None = None
    factors: Mapping[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
    solved_until: float | None = None
    believed_until: float | None = None
    error_in_time: tuple[tuple[float, float | None], ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the audit as JSON, for `from_json`."""
        return {**self.summary(), "factors": {name: [list(row) for row in rows] for name, rows in self.factors.items()}}

    def summary(self) -> dict[str, Any]:
        """Return the audit as JSON for metrics.json."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "error_estimate": self.error_estimate,
            "error_estimate_max": self.error_estimate_max,
            "error_bound": self.error_bound,
            "bound_steps": list(self.bound_steps),
            "uncertainty": self.uncertainty
            and {name: spread if math.isfinite(spread) else None for name, spread in self.uncertainty.items()},
            "solved_until": self.solved_until,
            "believed_until": self.believed_until,
            "error_in_time": self.error_in_time and [list(each) for each in self.error_in_time],
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Audit:
        """Return the audit that `to_json` wrote."""
        spreads = saved.get("uncertainty")  # files of older versions have none
        known = spreads and {name: math.inf if spread is None else spread for name, spread in spreads.items()}
        steps = tuple(saved.get("bound_steps", ()))
        factors = {name: tuple(map(tuple, rows)) for name, rows in saved.get("factors", {}).items()}
        course = saved.get("error_in_time")
        changed = {
            "error_in_time": course and tuple(map(tuple, course)),
            "reasons": tuple(saved["reasons"]),
            "bound_steps": steps,
            "uncertainty": known,
            "factors": factors,
        }
        return cls(**{**saved, **changed})
