"""The stages of a descent: one optimiser and a number of iterations each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from kanpde.errors import ConfigurationError, among, nearest, number
from kanpde.optim.least_squares import Method
from kanpde.optim.methods import METHODS, Entry

EXAMPLE = "{optimiser: gauss_newton}"
RATES = (1e-12, 10.0)  # learning rates beyond these leave the parameters as they are, or destroy them


@dataclass(frozen=True)
class Stage:
    """One entry of training.stages; raise ConfigurationError if it is not valid."""

    optimiser: str  # a name in METHODS
    iterations: float | None = None  # number of iterations; None: the optimiser's default
    learning_rate: float | None = None  # None: the optimiser's default

    def __post_init__(self) -> None:
        if not among(self.optimiser, METHODS):
            raise ConfigurationError(f"unknown optimiser {self.optimiser!r}; {nearest(self.optimiser, METHODS)}")
        for key, kind in (("iterations", "whole "), ("learning_rate", "")):
            value = getattr(self, key)
            if value is not None and not (number(value, whole=bool(kind)) and value > 0):
                raise ConfigurationError(
                    f"expected {key} in training.stages to be a positive {kind}number or null, got {value!r}"
                )
        if self.learning_rate is not None and not RATES[0] <= self.learning_rate <= RATES[1]:
            raise ConfigurationError(
                f"expected learning_rate in training.stages between {RATES[0]:g} and {RATES[1]:g}, "
                f"got {self.learning_rate!r}"
            )
        if not self.entry.has_rate and self.learning_rate is not None:
            raise ConfigurationError(
                f"expected no learning_rate for {self.optimiser} in training.stages, which finds its own; leave it out"
            )

    @classmethod
    def of(cls, given: Any) -> Stage:
        """Return the stage that a user wrote as a mapping; raise ConfigurationError if it is not valid."""
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping) or "optimiser" not in given:
            raise ConfigurationError(f"expected training.stages entries like {EXAMPLE}, got {given!r}")
        keys = [field.name for field in fields(cls)]
        if unknown := [key for key in given if key not in keys]:
            raise ConfigurationError(f"unknown key {unknown[0]!r} in training.stages; {nearest(unknown[0], keys)}")
        return cls(**given)

    @property
    def entry(self) -> Entry:
        """The optimiser in the registry."""
        return METHODS[self.optimiser]

    @property
    def limit(self) -> float | None:
        """The number of iterations; None if the stage runs until convergence."""
        return self.iterations or self.entry.iterations

    def method(self) -> Method:
        """Return a new optimiser."""
        return self.entry.make(**({} if self.learning_rate is None else {"learning_rate": float(self.learning_rate)}))


@dataclass(frozen=True)
class Schedule:
    """The stages in order, the number of the present one, and the number of iterations that it has run."""

    stages: tuple[Stage, ...]
    number: int = 0
    iterations: int = 0

    @property
    def stage(self) -> Stage:
        """The present stage."""
        return self.stages[self.number]

    @property
    def over(self) -> bool:
        """True if the present stage has run all its iterations."""
        return self.stage.limit is not None and self.iterations >= self.stage.limit

    def after_step(self) -> Schedule:
        """Return the schedule after one more iteration."""
        return replace(self, iterations=self.iterations + 1)

    def next_stage(self) -> Schedule | None:
        """Return the schedule at the start of the next stage; None if the present one is the last."""
        return replace(self, number=self.number + 1, iterations=0) if self.number + 1 < len(self.stages) else None
