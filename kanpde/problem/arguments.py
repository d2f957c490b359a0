"""The arguments that a user's function asks for by name."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kanpde.errors import KanpdeError, ProblemError, nearest


def asked(function: Callable[..., Any], known: Iterable[str], what: str) -> tuple[str, ...]:
    """The names in a function's signature, all of which must be known; ``**anything`` asks for every one.

    Raises ProblemError, beginning with ``what``, for a name that is unknown and has no default.
    """
    names = tuple(known)
    found: list[str] = []
    for parameter in _parameters(function, names, what):
        if parameter.kind is parameter.VAR_KEYWORD:
            return names
        if parameter.kind is parameter.VAR_POSITIONAL or (parameter.name not in names and _has_default(parameter)):
            continue
        if parameter.name not in names or parameter.kind is parameter.POSITIONAL_ONLY:
            got = parameter.name
            raise ProblemError(f"{what} has an argument {got!r} that stands for nothing; {nearest(got, names)}")
        found.append(parameter.name)
    return tuple(found)


def _parameters(function: Callable[..., Any], names: tuple[str, ...], what: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise ProblemError(
            f"{what} expects a function with arguments among {', '.join(names)}, got {function!r}; wrap it in a lambda"
        ) from None


def _has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty


def call(function: Callable[..., Any], arguments: dict[str, Any], what: str) -> Any:
    """The function's value; whatever it raises becomes a ProblemError that says where."""
    try:
        return function(**arguments)
    except KanpdeError as error:
        raise ProblemError(f"{what}: {error}") from error
    except Exception as error:
        raise ProblemError(f"{what}{place(error, function)}: {type(error).__name__}: {error}") from error


def place(error: BaseException, function: Callable[..., Any]) -> str:
    """(heat.py, line 12): the innermost line of the function's own file that an error came through."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    line = place_in(error, code.co_filename) if code is not None else None
    return f" ({Path(code.co_filename).name}, line {line})" if code is not None and line else ""


def place_in(error: BaseException, file: str) -> int | None:
    """The number of that line; None where the error did not come through the file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None
