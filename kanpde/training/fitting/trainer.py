"""The training loop of a fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from kanpde.errors import Ending
from kanpde.optim.least_squares import Step
from kanpde.problem.saved import samples_of
from kanpde.solution import Solution
from kanpde.symbolic.clock import TimeLimit
from kanpde.training.fitting.phase import Fitting
from kanpde.training.phase import Following, NothingFound, Phase, Stop
from kanpde.training.trainer import Trainer, copied, limited


class FitTrainer(Trainer):
    """The training of a network on data."""

    kinds: Mapping[str, Any] = {"fitting": Fitting}

    def _first_phase(self) -> Phase:
        return Fitting(self.task, self.settings.network)

    def _step_in_budget(self) -> Step | Stop | NothingFound | Following:
        """Take one iteration; one that is interrupted by the budget is undone."""
        if self._left is None:
            return self.phase.advance()
        before = copied(self.phase), self.task.generator.bit_generator.state
        try:
            with limited(self._left):
                return self.phase.advance()
        except TimeLimit:
            self.phase = Fitting.restored(self.task, *before[0])
            self.task.generator.bit_generator.state = before[1]
            return Stop(Ending.BUDGET, self.settings.training.budget_seconds)

    @property
    def memory(self) -> str:
        """Nothing, because the samples are there already, and their training is not limited."""
        return ""

    def _measured_error(self) -> float:
        """Return NaN: the function behind the data is not known."""
        return math.nan

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the checkpoint with the samples as tensors and JSON for a file."""
        tensors, numbers = super().state()
        return {**tensors, **samples_of(self.problem)}, numbers

    def solution(self) -> Solution:
        """Return the best network found so far; its record says how it was chosen."""
        found = super().solution()
        assert isinstance(self.phase, Fitting)
        found.record["fit"] = self.phase.report()
        return found
