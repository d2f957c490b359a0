"""The warm start of a network of given sizes: march first, then imitate the march's solution.

A march solves most problems better than a descent from random parameters, but in a space of its own. A network whose
sizes a user has given therefore begins as an imitation of the march's solution.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from kanpde.collocation.sampling import SamplingOptions
from kanpde.files import below
from kanpde.marching import state as states
from kanpde.marching.audit.parts import Part
from kanpde.marching.state import MarchState
from kanpde.marching.task import FACTORED_DIMENSION
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.network.trial_function import Model, saved_network
from kanpde.optim.least_squares import Step
from kanpde.problem.lift import Ansatz
from kanpde.training.descent import Descent
from kanpde.training.imitation import Imitation
from kanpde.training.march_phase import Marching
from kanpde.training.network_size import built_for
from kanpde.training.phase import Following, NothingFound, Stop, TrainingTask

SHARE = 0.4  # share of a budget that the march may take
ENOUGH = 1e-7  # relative residual at which the march is good enough to imitate
OF_TARGET = 0.1  # the same as a share of the training's target


class WarmMarch(Marching):
    """A march whose solution another network is to imitate; the model is that network, untrained.

    Raises ConfigurationError if the network does not fit the problem.
    """

    imitated = True

    def __init__(self, task: TrainingTask, network: KAN | MLP, state: MarchState | None = None) -> None:
        ansatz = Ansatz.of(task.problem)
        built = built_for(task, network, ansatz).to(device=task.device, dtype=task.dtype)
        self.given, self.model = task, Model(built, ansatz, task.problem.constants).to(device=task.device)
        self.open_knots = isinstance(network, KAN) and network.intervals is None
        self.seconds = 0.0
        super().__init__(marchable(task), KAN(), state)

    @staticmethod
    def fits(task: TrainingTask, network: KAN | MLP) -> bool:
        """Return True if the settings allow a warm start of this network, and a march can solve the problem."""
        training = task.settings.training
        allowed = training.warm_start == "march" and training.stages is None and training.weighting == "none"
        allowed = allowed and task.problem.domain.dimension <= FACTORED_DIMENSION  # more would take the budget
        return allowed and not network.built and Marching.fits(marchable(task), KAN())

    def advance(self) -> Step | Stop | NothingFound | Following:
        """Take one step of the march; after the last useful one return the phase that begins with its solution."""
        options, started = self.given.settings.training, time.monotonic()
        enough = ENOUGH if options.target is None else min(ENOUGH, OF_TARGET * options.target)
        late = options.budget_seconds is not None and self.seconds > SHARE * options.budget_seconds
        outcome = None if late else super().advance()
        self.seconds += time.monotonic() - started
        found = self._found
        if isinstance(outcome, Step) and (found is None or found.residual > enough):
            return outcome
        if found is None:
            return Following(Descent(self.given, self.model.network))
        known, network = super().current, self.model.network
        return Following(Imitation(self.given, network, known, found.residual, open_knots=self.open_knots))

    @property
    def version(self) -> int:
        """0, because the network is untrained."""
        return 0

    @property
    def estimate(self) -> float:
        """Infinite, for the same reason."""
        return math.inf

    def confirms(self, target: float) -> bool:
        """Return False, for the same reason."""
        return False

    @property
    def current(self) -> Model:
        """The untrained network."""
        return self.model

    def parts(self) -> tuple[Part, ...]:
        """Return no parts: the march's solution is not the network's."""
        return ()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        tensors, numbers = super().state()
        tensors = {f"march.{name}": value for name, value in tensors.items()}
        tensors |= {f"network.{name}": value for name, value in self.model.network.state_dict().items()}
        return tensors, {
            "kind": "warm_march",
            "march": numbers,
            "architecture": self.model.network.architecture(),
            "open_knots": self.open_knots,
            "seconds": self.seconds,
        }

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> WarmMarch:
        """Return the phase that had this state; raise ConfigurationError if another version of kanpde wrote it."""
        state = states.read(below("march.", tensors), numbers["march"], task.device)
        network = saved_network(numbers["architecture"], below("network.", tensors))
        phase = cls(task, network, state)
        phase.open_knots, phase.seconds = bool(numbers["open_knots"]), float(numbers["seconds"])
        return phase


def marchable(task: TrainingTask) -> TrainingTask:
    """Return the task with all that a march chooses itself left open."""
    found_by_march = {"max_parameters": None, "l1": 0.0, "entropy": 0.0, "smoothness": None}
    training = replace(task.settings.training, **found_by_march)  # type: ignore[arg-type]
    settings = replace(task.settings, network=KAN(), training=training, sampling=SamplingOptions(), dtype="float64")
    return replace(task, settings=settings)
