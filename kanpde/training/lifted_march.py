"""A march from the smoothest function that satisfies the conditions, where the one from zero found no solution.

At zero a quasilinear equation may be degenerate, and far from what it is at the solution: (u' ³)' = f has no derivative
there. A function with the right boundary values has gradients of the right size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.marching.audit.parts import NetworkFunction
from kanpde.marching.piece import point_values
from kanpde.marching.state import MarchState
from kanpde.network.kan import KAN
from kanpde.optim.least_squares import Step
from kanpde.problem.guess import with_guess
from kanpde.problem.harmonic import polyharmonic
from kanpde.training.march_phase import Marching
from kanpde.training.phase import Following, NothingFound, Stop, TrainingTask

STEPS, NEAR = 8, 1e-3  # largest number of steps of the linear problem, and its relative residual that is enough


class LiftedMarch(Marching):
    """A march whose guess is the polyharmonic function with the problem's conditions."""

    def __init__(self, task: TrainingTask, network: KAN, state: MarchState | None = None) -> None:
        self._original, self._network = task, network
        self._lift: Marching | None = None
        super().__init__(replace(task, problem=with_guess(task.problem, self._values)), network, state)

    def _values(self, points: Array) -> Array:
        """Return the polyharmonic function at points (n, d): (n, fields)."""
        if self._lift is None:
            self._lift = lifted(self._original, self._network)
        return point_values(NetworkFunction(self._lift.current))(points)

    def advance(self) -> Step | Stop | NothingFound | Following:
        """Take one Gauss–Newton step; after the last one return how the march ended, or `NothingFound`."""
        return super().advance() if self._lift is None or self._lift.finite else NothingFound()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        tensors, numbers = super().state()
        return tensors, {**numbers, "kind": "lifted_march"}


def lifted(task: TrainingTask, network: KAN) -> Marching:
    """Return a march after some steps to the polyharmonic function with the conditions of a task's problem."""
    march = Marching(TrainingTask.of(polyharmonic(task.problem), task.settings), network)
    march.begin()
    for _ in range(STEPS):
        if not isinstance(march.advance(), Step) or march.estimate <= NEAR:
            break
    return march
