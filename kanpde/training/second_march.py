"""A second march: from a rough solution of a descent, where the first one found none from zero.

Gauss–Newton on splines fails on some steady nonlinear problems, for it begins from zero; a network begins from random
numbers and gets near a solution, but has few digits of it. From there splines converge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from kanpde.errors import Ending
from kanpde.files import below
from kanpde.marching import state as states
from kanpde.marching.audit.branches import branches_off
from kanpde.marching.audit.parts import NetworkFunction, Part
from kanpde.marching.piece import point_values
from kanpde.marching.state import MarchState
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.problem.guess import with_guess
from kanpde.training.descent import Descent
from kanpde.training.march_phase import MAX_RESIDUAL, Marching
from kanpde.training.phase import Following, NothingFound, Stop, TrainingTask

NEAR = 1e-3  # estimate of a descent from which a march begins with its solution


def helps(march: Marching) -> bool:
    """Return True if a march that found nothing may find a solution from another start."""
    return branches_off(march.march_task) and not march.march_task.affine


class GuidingDescent(Descent):
    """A descent from whose solution another march begins, once it is near one; if that is worse, it goes on."""

    guided = False  # True once a march has begun

    def advance(self) -> Step | Stop | Following:
        """Take one step, or return the march that follows."""
        if not self.guided and self.estimate <= NEAR:
            return self._march()
        outcome = super().advance()
        converged = isinstance(outcome, Stop) and outcome.ending is Ending.CONVERGED
        return self._march() if converged and not self.guided and self.estimate <= MAX_RESIDUAL else outcome

    def _march(self) -> Following:
        self.guided = True
        return Following(SecondMarch(self.task, self))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        tensors, numbers = super().state()
        return tensors, {**numbers, "kind": "guiding_descent", "guided": self.guided}

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> GuidingDescent:
        """Return the descent that had this state."""
        descent = super().restored(task, tensors, numbers)
        assert isinstance(descent, cls)
        descent.guided = bool(numbers["guided"])
        return descent


class SecondMarch(Marching):
    """A march that begins with the solution of a descent, which is the model until a pass is better."""

    def __init__(self, task: TrainingTask, before: GuidingDescent, state: MarchState | None = None) -> None:
        network = task.settings.network
        assert isinstance(network, KAN)
        self.before = before
        guessed = with_guess(task.problem, point_values(NetworkFunction(before.current)))
        super().__init__(replace(task, problem=guessed), network, state)

    def advance(self) -> Step | Stop | NothingFound | Following:
        """Take one Gauss–Newton step; after the last one return how the march ended, or the descent if it is better."""
        outcome = super().advance()
        return outcome if isinstance(outcome, Step) or self._better else Following(self.before)

    @property
    def _better(self) -> bool:
        """True if a pass has a smaller residual than the descent."""
        return super().estimate < self.before.estimate

    @property
    def version(self) -> int:
        """A number that changes if `current` does."""
        return self.before.version + super().version

    @property
    def estimate(self) -> float:
        """The relative residual of the better one of pass and descent."""
        return min(super().estimate, self.before.estimate)

    def confirms(self, target: float) -> bool:
        """Return True if the residual at other points confirms that the target is reached."""
        return self._better or self.before.confirms(target)

    @property
    def current(self) -> Model:
        """The model of the best pass, or the descent's."""
        return super().current if self._better else self.before.current

    def parts(self) -> tuple[Part, ...]:
        """Return the parts of the best pass; none for the descent's model."""
        return super().parts() if self._better else ()

    def columns(self) -> dict[str, float]:
        """Return an iteration's columns of the history; its stage is the one after those of the descent."""
        return {**super().columns(), "stage": self.before.schedule.number + 2}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        (tensors, numbers), (others, course) = super().state(), self.before.state()
        joined = {f"march.{name}": each for name, each in tensors.items()}
        joined |= {f"descent.{name}": each for name, each in others.items()}
        return joined, {"kind": "second_march", "march": numbers, "descent": course}

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> SecondMarch:
        """Return the phase that had this state; raise ConfigurationError if another version of kanpde wrote it."""
        before = GuidingDescent.restored(task, below("descent.", tensors), numbers["descent"])
        return cls(task, before, states.read(below("march.", tensors), numbers["march"], task.device))
