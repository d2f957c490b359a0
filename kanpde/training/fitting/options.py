"""The settings of a training on data."""

from __future__ import annotations

from dataclasses import dataclass, fields

from kanpde.errors import ConfigurationError, number
from kanpde.training.settings import TrainingOptions

# Settings of a training on an equation that a fit has no use for.
OF_EQUATIONS = ("warm_start", "resample_every", "weighting", "tensorboard", "memory")


@dataclass(frozen=True)
class FitOptions(TrainingOptions):
    """The settings of `fit`'s training; raise ConfigurationError for values that are not valid."""

    batch_size: int | None = None  # samples of a step of adam, adamw or soap; None: all
    patience: int = 50  # iterations without a smaller error at held-out points after which a stage ends
    validation: float | None = None  # share of the samples that is held out; None: 0.2, or 0 of fewer than 100 samples

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in fields(TrainingOptions):
            if field.name in OF_EQUATIONS and getattr(self, field.name) != field.default:
                raise ConfigurationError(
                    f"expected no training.{field.name} in a fit, whose points are fixed; leave it out"
                )
        for name in ("batch_size", "patience"):
            value = getattr(self, name)
            if not (name == "batch_size" and value is None) and not (number(value, whole=True) and value >= 1):
                raise ConfigurationError(f"expected training.{name} to be a whole number of at least 1, got {value!r}")
        if self.validation is not None and not (number(self.validation) and 0 <= self.validation <= 0.9):
            raise ConfigurationError(f"expected training.validation between 0 and 0.9, got {self.validation!r}")
