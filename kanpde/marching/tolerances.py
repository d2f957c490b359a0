"""The thresholds of a march: tolerances of passes, changes of axes and slabs, and ends of iterations and passes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MarchTolerances:
    """All thresholds of a march; the defaults are those of `solve`, and tests and experiments may use others."""

    passes: tuple[float, ...] = (1e-3, 1e-5, 1e-7, 1e-9, 1e-11)  # tolerance of each pass's relative residual, in order
    in_time: float = 1e-2  # largest last coefficients in time, relative to all, as a share of the pass's tolerance
    first_intervals: tuple[int, ...] = (8, 8, 2)  # initial intervals of each axis, by the number of coordinates
