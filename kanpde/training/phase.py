"""What a training goes through: phases with one interface, and the setting that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import ConfigurationError
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.options import TrainingOptions
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

DIVERGED = "diverged: the residual is not finite, however small the step; check the equation and its parameters"
NO_WAY = "no way on"  # the end of a phase that has found nothing to keep


@dataclass(frozen=True)
class Setting:
    """What is given: the problem, whether it is linear in its fields, and how it is to be solved."""

    problem: Problem
    affine: bool
    training: TrainingOptions
    sampling: SamplingOptions
    device: torch.device
    dtype: torch.dtype
    generator: np.random.Generator


class Phase(Protocol):
    """A way to a solution, one iteration at a time."""

    def begin(self) -> None:
        """Get ready for the first iteration."""

    def iterate(self) -> Step:
        """One iteration."""

    def end(self) -> str | None:
        """Why there is no next iteration, or None."""

    @property
    def finite(self) -> bool:
        """Whether what has been found is made of numbers."""

    @property
    def estimate(self) -> float:
        """The estimated relative error, infinite before all of time is reached."""

    def confirmed(self, target: float) -> bool:
        """Whether the estimate holds at other points."""

    @property
    def current(self) -> Model:
        """What has been found so far."""

    @property
    def version(self) -> int:
        """Changes where `current` does; 0 while it answers nothing yet."""

    def columns(self) -> dict[str, float]:
        """What the history keeps of an iteration."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON to go on from exactly; the latter has a "kind"."""


def check_degree(network: KAN, blocks: Sequence[Block]) -> None:
    """Raise ConfigurationError where a residual needs more derivatives than the splines have continuous ones."""
    degree = network.degree or 0
    for block in blocks:
        order = max((len(p) for partials in block.partials.values() for p in partials), default=0)
        if order >= degree:
            raise ConfigurationError(
                f"expected splines of degree at least {order + 1} for order {order} in {block.name}, got degree "
                f"{degree}; set network.degree={order + 1} or more"
            )
