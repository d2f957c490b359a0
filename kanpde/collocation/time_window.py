"""The window of time: a descent solves an evolution up to time τ, and increases τ as each part converges.

Trained over all of time at once, a network may converge to wrong early states with late states that satisfy the
equation (Wang, Sankaran and Perdikaris, CMAME 421 (2024) 116813). Initially, therefore, most points lie at t ≤ τ; a few
points beyond τ with a small weight keep the network bounded there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.collocation.sampling import Sample
from kanpde.geometry.domain import Domain

FIRST_REACH = 0.1  # initial share of time in the window, and smallest share by which the window grows
SHARE_BEYOND = 0.2  # share of the points that lie beyond the window
WEIGHT_BEYOND = 1e-4  # weight of the points beyond the window
LOSS_TO_GROW = 1e-6  # loss at or below which the window grows
MAX_AGE = 15  # number of iterations after which the window grows at any loss
FAST_AGE = 3  # the stride is doubled if the window grows within this number of iterations


@dataclass
class Window:
    """The times up to `reach`, a share of the domain's time; `age` counts the iterations since the window last grew."""

    domain: Domain
    reach: float = FIRST_REACH
    stride: float = FIRST_REACH
    age: int = 0

    @property
    def closed(self) -> bool:
        """True if the window has grown to all of time."""
        return self.reach >= 1

    def place(self, drawn: Sample, fixed: bool) -> tuple[Sample, Array]:
        """Return the points and the weights of rows (n,), with a share 1 − `SHARE_BEYOND` of the points in the window.

        Points are moved in time unless they are `fixed`.
        """
        # Integrals are over points of one time each, so the first one tells where they are.
        rows = slice(None) if drawn.integration is None else np.unique(drawn.integration.group, return_index=True)[1]
        weights = np.ones(len(drawn.points))
        if self.closed:
            return drawn, weights[rows]
        axis = self.domain.time
        low, span = self.domain.low[axis], self.domain.high[axis] - self.domain.low[axis]
        points = drawn.points.copy()
        share = (points[:, axis] - low) / span
        if not fixed:
            share = np.interp(share, [0, 1 - SHARE_BEYOND, 1], [0, self.reach, 1])
            points[:, axis] = low + span * share
        weights[share > self.reach] = WEIGHT_BEYOND
        return replace(drawn, points=points), weights[rows]

    def advance(self, loss: float) -> bool:
        """Count an iteration that ended with this loss; grow if the loss is small or the window old enough.

        Return whether the window has grown.
        """
        self.age += 1
        if self.closed or (loss > LOSS_TO_GROW and self.age < MAX_AGE):
            return False
        self.stride = min(2 * self.stride, 0.5) if self.age <= FAST_AGE else FIRST_REACH
        self.reach = self.reach + self.stride if self.reach + self.stride < 1 - FIRST_REACH / 2 else 1.0
        self.age = 0
        return True

    def state(self) -> dict[str, float]:
        """Return the window's state as JSON."""
        return {"reach": self.reach, "stride": self.stride, "age": self.age}

    def restore(self, state: Mapping[str, float]) -> None:
        """Restore what `state` returned."""
        self.reach, self.stride, self.age = state["reach"], state["stride"], int(state["age"])
