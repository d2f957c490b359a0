"""The window of time: an evolution is solved up to τ, and τ grows to the end as each part is found.

Fitted over all of time at once, a nonlinear evolution may settle on late states that satisfy the equation around early
ones that are wrong (Wang, Sankaran and Perdikaris, CMAME 421 (2024) 116813). So most points lie at t ≤ τ at first; a
few beyond, with a small weight, keep the network tame there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kanpde.arrays import Array
from kanpde.collocation.sampling import Sample
from kanpde.geometry.domain import Domain

FIRST = 0.1  # the share of time that the window begins with, and the least by which it grows
BEYOND = 0.2  # the share of points that lie beyond it
WEIGHT = 1e-4  # of those points
SOLVED = 1e-6  # the loss at which it grows
PATIENCE = 15  # the iterations after which it grows in any case
QUICK = 3  # iterations that call for a longer stride


@dataclass
class Window:
    """Times from the first one to `reach`, as a share of the domain's; `age` counts iterations since it last grew."""

    domain: Domain
    reach: float = FIRST
    stride: float = FIRST
    age: int = 0

    @property
    def closed(self) -> bool:
        """Whether it has grown to all of time."""
        return self.reach >= 1

    def place(self, drawn: Sample, fixed: bool) -> tuple[Sample, Array]:
        """The points, moved in time so that 1 − `BEYOND` of them lie in the window, and weights; `fixed` ones stay."""
        weights = np.ones(len(drawn.points))
        if self.closed:
            return drawn, weights
        axis = self.domain.time
        low, span = self.domain.low[axis], self.domain.high[axis] - self.domain.low[axis]
        points = drawn.points.copy()
        share = (points[:, axis] - low) / span
        if not fixed:
            share = np.interp(share, [0, 1 - BEYOND, 1], [0, self.reach, 1])
            points[:, axis] = low + span * share
        weights[share > self.reach] = WEIGHT
        return Sample(points, drawn.index), weights

    def advance(self, loss: float) -> bool:
        """Count an iteration that left this loss; grow where the window is solved or has had its time."""
        self.age += 1
        if self.closed or (loss > SOLVED and self.age < PATIENCE):
            return False
        self.stride = min(2 * self.stride, 0.5) if self.age <= QUICK else FIRST
        self.reach = self.reach + self.stride if self.reach + self.stride < 1 - FIRST / 2 else 1.0
        self.age = 0
        return True

    def state(self) -> dict[str, float]:
        """What `restore` takes up."""
        return {"reach": self.reach, "stride": self.stride, "age": self.age}

    def restore(self, state: Mapping[str, float]) -> None:
        """Take up a state."""
        self.reach, self.stride, self.age = state["reach"], state["stride"], int(state["age"])
