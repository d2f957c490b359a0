"""The training loop of a fit."""

from __future__ import annotations

import math

from kanpde.errors import Ending
from kanpde.optim.least_squares import Step
from kanpde.solution import Solution
from kanpde.symbolic.clock import TimeLimit
from kanpde.training.fitting.phase import Fitting
from kanpde.training.phase import Following, NothingFound, Phase, Stop
from kanpde.training.trainer import Trainer, limited


class FitTrainer(Trainer):
    """The training of a network on data."""

    def _first_phase(self) -> Phase:
        return Fitting(self.task, self.settings.network)

    def _step_in_budget(self) -> Step | Stop | NothingFound | Following:
        """Take one iteration; one that is interrupted by the budget is lost, and the best network stays."""
        try:
            with limited(self._left):
                return self.phase.advance()
        except TimeLimit:
            return Stop(Ending.BUDGET, self.settings.training.budget_seconds)

    def _measured_error(self) -> float:
        """Return NaN: the function behind the data is not known."""
        return math.nan

    def solution(self) -> Solution:
        """Return the best network found so far; its record says how it was chosen."""
        found = super().solution()
        assert isinstance(self.phase, Fitting)
        found.record["fit"] = self.phase.report()
        return found
