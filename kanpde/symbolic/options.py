"""The settings of the search for a formula, with their defaults and the values that they may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kanpde.errors import ConfigurationError, number


@dataclass(frozen=True)
class SymbolicOptions:
    """Whether and how a formula is searched for."""

    enabled: bool = True
    budget_seconds: float = 60
    functions: Sequence[str] | None = None  # names in the library that formulas may contain; None: all of them

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
