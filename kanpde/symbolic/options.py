"""The settings of the search for a formula, with defaults and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kanpde.errors import ConfigurationError, number


@dataclass(frozen=True)
class SymbolicOptions:
    """Settings of the search for a formula. Raise ConfigurationError if a value is invalid."""

    enabled: bool = True  # False: no search
    budget_seconds: float = 60  # time limit of the search and proof, in seconds
    functions: Sequence[str] | None = None  # allowed functions of the library; None: all

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
        if words is not None:
            # Imported here, because the library imports SymPy and few runs choose from it.
            from kanpde.symbolic.structure.atoms import library

            library(words)
