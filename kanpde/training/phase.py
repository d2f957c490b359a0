"""The interface of a training's phases, the task that they share, and how a training ends."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.devices import torch_dtype
from kanpde.collocation.affine import all_affine
from kanpde.collocation.probing import check_rows
from kanpde.errors import ConfigurationError, Ending
from kanpde.marching.audit.parts import Part
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem
from kanpde.training.device_choice import device_for
from kanpde.training.memory import Room
from kanpde.training.settings import Settings


@dataclass(frozen=True)
class TrainingTask:
    """A problem and the settings of its training."""

    problem: Problem
    settings: Settings
    affine: bool  # True if the problem is linear in its fields
    generator: np.random.Generator  # the source of all random numbers of the training
    room: Room = Room(math.inf, math.inf)  # the memory that it may take

    @classmethod
    def of(cls, problem: Problem, settings: Settings) -> TrainingTask:
        """Return a new task; raise ConfigurationError if `problem` is not a Problem.

        Raises ProblemError if its rows cannot be solved for; see `check_rows`.
        """
        if not isinstance(problem, Problem):
            raise ConfigurationError(f"expected a problem such as load_problem('heat'), got {problem!r}")
        blocks = problem.blocks(hard=True)
        check_rows(problem, blocks)
        room = Room.of(settings.training.memory)
        return cls(problem, settings, all_affine(problem), np.random.default_rng(settings.seed), room)

    @property
    def device(self) -> torch.device:
        """The device that the settings name, or the faster one for this problem if they name none."""
        return device_for(self.settings.device, self.problem, self.settings.network)

    @property
    def dtype(self) -> torch.dtype:
        """The precision that the settings name."""
        return torch_dtype(self.settings.dtype)


@dataclass(frozen=True)
class Stop:
    """The end of a training: how it ended, and the limit that it reached, if any."""

    ending: Ending
    limit: float | None = None

    def __str__(self) -> str:
        return self.ending.sentence(self.limit)


class NothingFound:
    """The end of a phase that found no solution: another phase begins from the start."""


@dataclass(frozen=True)
class Following:
    """The end of a phase whose result another phase begins with."""

    phase: Phase


class Phase(Protocol):
    """A method of training that takes one iteration at a time."""

    def begin(self) -> None:
        """Prepare the next iteration, the first one or that of a restored phase."""

    def advance(self) -> Step | Stop | NothingFound | Following:
        """Take the next iteration and return its step; if the phase is over, change nothing and return how it ended."""

    @property
    def growth(self) -> float:
        """The cost of the next iteration relative to the last one, by the numbers of unknowns; 1 if it is unknown."""

    @property
    def memory(self) -> float:
        """The bytes that its arrays may take, if the training's memory has them."""

    @property
    def finite(self) -> bool:
        """True if all values found so far are finite."""

    @property
    def estimate(self) -> float:
        """The estimated relative error; infinite before the end of time is reached."""

    def confirms(self, target: float) -> bool:
        """Return True if the estimated error at other points confirms that the target is reached."""

    @property
    def current(self) -> Model:
        """The model found so far."""

    def parts(self) -> tuple[Part, ...]:
        """Return the computed solution in parts of time, for its audit; () if it is the model alone."""

    @property
    def version(self) -> int:
        """A number that changes if `current` does; 0 before there is a solution."""

    def columns(self) -> dict[str, float]:
        """Return an iteration's columns of the history."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON that determine the next iteration exactly; the JSON has a "kind"."""


def copy_of_built(network: KAN | MLP, shape: tuple[int, int], what: str) -> KAN | MLP:
    """Return a copy of a built network; raise ConfigurationError if its inputs and outputs are not those of `what`."""
    inputs, outputs = network.shape
    if (inputs, outputs) != shape:
        raise ConfigurationError(
            f"expected a network with {shape[0]} inputs and {shape[1]} outputs for {what}, got one built with {inputs} "
            f"and {outputs}; give a new KAN(width=...)"
        )
    return copy.deepcopy(network)


def check_degree(network: KAN | MLP, blocks: Sequence[Block]) -> None:
    """Raise ConfigurationError if a residual has derivatives of an order that is not below the splines' degree."""
    if not isinstance(network, MLP):
        check_order(network.degree or 0, blocks)


def check_order(degree: int, blocks: Sequence[Block]) -> None:
    """Raise the same for splines of a degree."""
    for block in blocks:
        order = max((len(p) for partials in block.partials.values() for p in partials), default=0)
        if order >= degree:
            raise ConfigurationError(
                f"expected splines of degree at least {order + 1} for order {order} in {block.name}, got degree "
                f"{degree}; set network.degree={order + 1} or more"
            )
