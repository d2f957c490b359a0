"""Names of coordinates, and numbers and points that describe shapes, checked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError

SPACE = ("x", "y", "z")  # the coordinates of a shape that names none


def coordinate(name: str) -> str:
    """Return a coordinate's name; raise ProblemError if it is none."""
    if name == "d" or not name.isidentifier() or name.startswith("_"):
        raise ProblemError(f"a coordinate can't be named {name!r}; choose a plain word other than d, such as x")
    return name


def coordinates_of(given: Iterable[str] | None, dimension: int, what: str) -> tuple[str, ...]:
    """Return the names of a shape's coordinates; raise ProblemError if they are not `dimension` words, or time."""
    names = SPACE[:dimension] if given is None else (given,) if isinstance(given, str) else tuple(given)
    if len(names) != dimension or len(set(names)) != dimension or not all(isinstance(name, str) for name in names):
        example = ("r", "s", "q")[:dimension]
        raise ProblemError(f"{what} expects {dimension} names as coordinates, such as {example}, got {given!r}")
    if "t" in names:
        raise ProblemError(f"{what} expects coordinates in space, got t; multiply it by Box(t=(0, 1)) for time")
    return tuple(coordinate(name) for name in names)


def face_name(given: Any, what: str) -> str | None:
    """Return the name of a face that a user gives, None for the usual one; raise ProblemError if it is no word."""
    if given is not None and (not isinstance(given, str) or not given.isidentifier() or given == "boundary"):
        raise ProblemError(f"{what} expects a plain word other than boundary as the name of its face, got {given!r}")
    return given


def length(value: Any, what: str) -> float:
    """Return a positive finite number; raise ProblemError if it is none."""
    found = _number(value)
    if not found > 0:
        raise ProblemError(f"expected a positive number as {what}, got {value!r}")
    return found


def point(value: Any, dimension: int, what: str) -> tuple[float, ...]:
    """Return the coordinates of a point; raise ProblemError if they are not `dimension` finite numbers."""
    parts = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else []
    found = tuple(_number(part) for part in parts)
    if len(found) != dimension or not all(map(math.isfinite, found)):
        raise ProblemError(f"expected {dimension} finite numbers as {what}, got {value!r}")
    return found


def _number(value: Any) -> float:
    try:
        # Strings and booleans would convert too, and hide a mistake.
        number = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    return number if math.isfinite(number) else math.nan


def fixed(values: Any) -> Array:
    """Return a read-only array of numbers."""
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def shown(values: Iterable[float]) -> str:
    """Return numbers as a tuple is written: (0, 0.5)."""
    return f"({', '.join(f'{value:g}' for value in values)})"
