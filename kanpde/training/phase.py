"""A training goes through phases, which have one interface and share one task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from kanpde.collocation.affine import is_affine
from kanpde.device import torch_device, torch_dtype
from kanpde.errors import ConfigurationError, Ending
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem
from kanpde.training.settings import Settings


@dataclass(frozen=True)
class TrainingTask:
    """A problem to be solved under settings."""

    problem: Problem
    settings: Settings
    affine: bool  # whether the problem is linear in its fields
    generator: np.random.Generator  # of all random numbers of the training

    @classmethod
    def of(cls, problem: Problem, settings: Settings) -> TrainingTask:
        """Return the task at its start; raise ConfigurationError for what is not a problem."""
        if not isinstance(problem, Problem):
            raise ConfigurationError(f"expected a problem such as load_problem('heat'), got {problem!r}")
        affine = all(is_affine(block, problem) for block in problem.blocks())
        return cls(problem, settings, affine, np.random.default_rng(settings.seed))

    @property
    def device(self) -> torch.device:
        """The device that the settings name."""
        return torch_device(self.settings.device)

    @property
    def dtype(self) -> torch.dtype:
        """The precision that the settings name."""
        return torch_dtype(self.settings.dtype)


@dataclass(frozen=True)
class Stop:
    """A training is over: how it ended, and the limit that it reached, if it did."""

    ending: Ending
    limit: float | None = None

    def __str__(self) -> str:
        return self.ending.sentence(self.limit)


class NothingFound:
    """A phase is over without anything to keep: another phase begins from the start."""


class Phase(Protocol):
    """A way to a solution, one iteration at a time."""

    def begin(self) -> None:
        """Prepare the first iteration; a phase that was restored has begun already."""

    def advance(self) -> Step | Stop | NothingFound:
        """Carry out the next iteration and return its step; if there is none, change nothing and return why."""

    @property
    def finite(self) -> bool:
        """True if all values found so far are finite."""

    @property
    def estimate(self) -> float:
        """The estimated relative error, infinite before all of time is reached."""

    def confirmed(self, target: float) -> bool:
        """Return whether the estimate holds at other points."""

    @property
    def current(self) -> Model:
        """The model found so far."""

    @property
    def version(self) -> int:
        """A number that changes if `current` does; 0 before there is a solution."""

    def columns(self) -> dict[str, float]:
        """Return the history's columns of an iteration."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON to continue from exactly; the latter has a "kind"."""


def check_degree(network: KAN, blocks: Sequence[Block]) -> None:
    """Raise ConfigurationError if a residual needs more derivatives than the splines have continuous ones."""
    degree = network.degree or 0
    for block in blocks:
        order = max((len(p) for partials in block.partials.values() for p in partials), default=0)
        if order >= degree:
            raise ConfigurationError(
                f"expected splines of degree at least {order + 1} for order {order} in {block.name}, got degree "
                f"{degree}; set network.degree={order + 1} or more"
            )
