"""The settings of a training and of the search for a formula, with their defaults and what they may be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from kanpde.errors import ConfigurationError, nearest

OPTIMISERS = ("gauss_newton", "krylov_gauss_newton", "ssbroyden", "ssbfgs", "lbfgs", "soap", "adam")
RATED = ("lbfgs", "soap", "adam")  # those with a learning rate; the others find their own steps
WEIGHTINGS = ("none", "gradient_norm", "ntk", "residual_attention", "causal")
ENTRY = "{optimiser: gauss_newton}"
STAGE_KEYS = ("optimiser", "iterations", "learning_rate")
T = TypeVar("T")


@dataclass(frozen=True)
class TrainingOptions:
    """How long, how well, and by what.

    `budget_seconds` bounds the wall time of training; `target` ends it at that estimated relative error. `stages` is
    a list of {optimiser, iterations, learning_rate}; null marches where it can (`marching`) and else picks by size and
    precision (`optim.choice`). Refinement stops at `max_parameters`, 0 for none, null for 8000 in a march, else 1500
    where the equation is linear and 2000 where it is not. The rest is for a network that does not march. Every
    `resample_every` iterations the loss is taken at fresh points; the points of a linear equation are exchanged if
    the residual hides between them, those of another at every iteration, but for the largest residuals; 0 keeps all
    points. `weighting` names the rule by which blocks and points are weighed beyond the size of their terms.
    `checkpoint_seconds` lie between checkpoints.
    """

    budget_seconds: float | None = None
    target: float | None = None
    stages: tuple[Mapping[str, Any], ...] | None = None
    max_parameters: int | None = None
    resample_every: int = 5
    weighting: str = "none"
    checkpoint_seconds: float = 5.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for name in ("budget_seconds", "target"):
            value = getattr(self, name)
            if value is not None and not (number(value) and value > 0):
                raise ConfigurationError(f"expected training.{name} to be a positive number or null, got {value!r}")
        for name, kind in (("max_parameters", ""), ("resample_every", "whole "), ("checkpoint_seconds", "")):
            value = getattr(self, name)
            if value is None and name == "max_parameters":
                continue
            if not (number(value, whole=bool(kind)) and value >= 0):
                raise ConfigurationError(f"expected training.{name} to be a {kind}number of at least 0, got {value!r}")
        if self.weighting not in WEIGHTINGS:
            raise ConfigurationError(
                f"unknown training.weighting {self.weighting!r}; {nearest(str(self.weighting), WEIGHTINGS)}"
            )
        if self.stages is not None:
            if not isinstance(self.stages, (list, tuple)) or not self.stages:
                raise ConfigurationError(
                    f"expected training.stages to be null or a list with an entry like {ENTRY}, got {self.stages!r}"
                )
            object.__setattr__(self, "stages", tuple(checked_stage(stage) for stage in self.stages))


@dataclass(frozen=True)
class SymbolicOptions:
    """Whether a formula is looked for, for how long, and of which functions of the library; null: of all."""

    enabled: bool = True
    budget_seconds: float = 60
    functions: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.enabled, bool):
            raise ConfigurationError(f"expected symbolic.enabled to be true or false, got {self.enabled!r}")
        if not (number(self.budget_seconds) and self.budget_seconds > 0):
            raise ConfigurationError(
                f"expected symbolic.budget_seconds to be a positive number, got {self.budget_seconds!r}"
            )
        words = self.functions
        if words is not None and (
            not isinstance(words, (list, tuple)) or not words or not all(isinstance(word, str) for word in words)
        ):
            raise ConfigurationError(f"expected symbolic.functions to be null or a list of names, got {words!r}")


def checked_stage(stage: Any) -> dict[str, Any]:
    """One entry of `stages` with all its keys."""
    if not isinstance(stage, Mapping) or "optimiser" not in stage:
        raise ConfigurationError(f"expected training.stages entries like {ENTRY}, got {stage!r}")
    if unknown := sorted(set(stage) - set(STAGE_KEYS)):
        raise ConfigurationError(f"unknown key {unknown[0]!r} in training.stages; {nearest(unknown[0], STAGE_KEYS)}")
    if stage["optimiser"] not in OPTIMISERS:
        raise ConfigurationError(
            f"unknown optimiser {stage['optimiser']!r}; {nearest(str(stage['optimiser']), OPTIMISERS)}"
        )
    for key, kind in (("iterations", "whole "), ("learning_rate", "")):
        value = stage.get(key)
        if value is not None and not (number(value, whole=bool(kind)) and value > 0):
            raise ConfigurationError(
                f"expected {key} in training.stages to be a positive {kind}number or null, got {value!r}"
            )
    if stage["optimiser"] not in RATED and stage.get("learning_rate") is not None:
        raise ConfigurationError(
            f"expected no learning_rate for {stage['optimiser']} in training.stages, which finds its own; leave it out"
        )
    return {key: stage.get(key) for key in STAGE_KEYS}


def number(value: object, *, whole: bool = False) -> bool:
    """Whether it is a finite real number, and a whole one where that is wanted: 1e3 is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return not whole or value % 1 == 0


def options(kind: type[T], group: str, given: Mapping[str, Any] | T | None) -> T:
    """The options of a group from a mapping; ConfigurationError for a name that is none of its own."""
    if isinstance(given, kind):
        return given
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    if given is not None and not isinstance(given, Mapping):
        raise ConfigurationError(f"expected {group} as settings by name such as {names[0]}, got {given!r}")
    settings: dict[str, Any] = dict(given or {})
    for name in settings:
        if name not in names:
            raise ConfigurationError(f"unknown setting {group}.{name}; {nearest(str(name), names)}")
    return kind(**settings)
