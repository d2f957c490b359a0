"""Validate settings: build a group's dataclass from a mapping, and test numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from kanpde.errors import ConfigurationError, nearest

T = TypeVar("T")


def number(value: object, *, whole: bool = False) -> bool:
    """Return whether a value is a finite real number and, if `whole`, an integer; 1e3 counts as an integer."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return not whole or value % 1 == 0


def options(kind: type[T], group: str, given: Mapping[str, Any] | T | None) -> T:
    """Return the options of a group from a mapping; raise ConfigurationError if a name is unknown."""
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
