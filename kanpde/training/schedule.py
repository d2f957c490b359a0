"""The stages of a training: one optimiser each, its iterations, rate and penalties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from kanpde.errors import ConfigurationError, among, nearest, number
from kanpde.optim.least_squares import Method
from kanpde.optim.methods import METHODS, Entry
from kanpde.optim.rates import SCHEDULES, RatePlan

EXAMPLE = "{optimiser: gauss_newton}"
RATES = (1e-12, 10.0)  # learning rates beyond these leave the parameters as they are, or destroy them
OF_FIRST_ORDER = ("weight_decay", "gradient_clip", "warmup", "schedule")
PENALTIES = ("l1", "entropy", "smoothness")
Options = TypeVar("Options")


@dataclass(frozen=True)
class Stage:
    """One entry of training.stages; raise ConfigurationError if it is not valid."""

    optimiser: str  # a name in METHODS
    iterations: float | None = None  # number of iterations; None: the optimiser's default
    learning_rate: float | None = None  # None: the optimiser's default
    weight_decay: float | None = None  # of adamw and soap; None: the optimiser's default
    gradient_clip: float | None = None  # longest gradient of a method of first order; None: any
    warmup: int = 0  # iterations over which the learning rate of a method of first order rises from zero
    schedule: str = "constant"  # what its learning rate does then, a name in SCHEDULES
    l1: float | None = None  # weights of the penalties in this stage; None: those of the training
    entropy: float | None = None
    smoothness: float | None = None

    def __post_init__(self) -> None:
        if not among(self.optimiser, METHODS):
            raise ConfigurationError(f"unknown optimiser {self.optimiser!r}; {nearest(self.optimiser, METHODS)}")
        for key, kind in (("iterations", "whole "), ("learning_rate", ""), ("gradient_clip", "")):
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
        for key in ("weight_decay", *PENALTIES):
            value = getattr(self, key)
            if value is not None and not (number(value) and value >= 0):
                raise ConfigurationError(
                    f"expected {key} in training.stages to be a number of at least 0, got {value!r}"
                )
        self._check_first_order()

    def _check_first_order(self) -> None:
        """Raise ConfigurationError for options of methods of first order that are not valid, or not the optimiser's."""
        if not (number(self.warmup, whole=True) and self.warmup >= 0):
            raise ConfigurationError(
                f"expected warmup in training.stages to be a whole number of at least 0, got {self.warmup!r}"
            )
        if not among(self.schedule, SCHEDULES):
            raise ConfigurationError(
                f"unknown schedule {self.schedule!r} in training.stages; {nearest(str(self.schedule), SCHEDULES)}"
            )
        given = [key for key in OF_FIRST_ORDER if getattr(self, key) != type(self).__dict__[key]]
        if given and not self.entry.first_order:
            raise ConfigurationError(
                f"expected no {given[0]} for {self.optimiser} in training.stages, which is not a method of first "
                "order; leave it out, or take adamw"
            )
        if self.weight_decay is not None and not self.entry.decays:
            raise ConfigurationError(
                f"expected no weight_decay for {self.optimiser} in training.stages; take adamw, or leave it out"
            )
        if self.limit is not None and self.warmup >= self.limit and self.warmup:
            raise ConfigurationError(
                f"expected warmup in training.stages below the stage's {self.limit:g} iterations, got {self.warmup}"
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

    def method(self, steps: int = 1) -> Method:
        """Return a new optimiser, which takes so many steps in an iteration."""
        chosen: dict[str, Any] = {
            name: float(value)
            for name in ("learning_rate", "weight_decay")
            if (value := getattr(self, name)) is not None
        }
        if self.entry.first_order:
            chosen["gradient_clip"] = self.gradient_clip
            chosen["plan"] = RatePlan(self.schedule, self.warmup, int(self.limit or 1), steps)
        return self.entry.make(**chosen)

    def penalised(self, training: Options) -> Options:
        """Return the training's settings with the penalties of this stage."""
        own = {name: value for name in PENALTIES if (value := getattr(self, name)) is not None}
        return replace(training, **own)  # type: ignore[type-var]


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
