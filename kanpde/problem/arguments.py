"""Match the arguments of a user's function by name and report its errors."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kanpde.errors import KanpdeError, ProblemError, nearest, out_of_memory, reason


def asked(function: Callable[..., Any], known: Iterable[str], what: str) -> tuple[str, ...]:
    """Return the argument names of a function, all of which must be in ``known``; ``**anything`` means all of them.

    Raises ProblemError, beginning with ``what``, if a name is unknown and has no default.
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
            raise ProblemError(f"{what} has an unknown argument {got!r}; {nearest(got, names)}")
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
    """Return the function's value; turn every exception into a ProblemError that names the file and line."""
    try:
        return function(**arguments)
    except KanpdeError as error:
        raise ProblemError(f"{what}: {error}") from error
    except (Exception, SystemExit, GeneratorExit) as error:
        if out_of_memory(error):
            raise
        raise ProblemError(f"{what}{place(error, function)}: {reason(error)}{_hint(error)}") from error


def part(owner: object, name: str, what: str) -> Any:
    """Return an attribute, None if there is none; it may be a property of the user's that raises an exception."""
    return call(functools.partial(getattr, owner, name, None), {}, f"{name} of {what}")


# Parts of the messages by which torch refuses tensors of two devices, and tensors and fields refuse the functions of
# other libraries.
_MIXED = "same device"
_FOREIGN = ("Python scalars", "ufuncs", "must be real number, not Field")


def _hint(error: BaseException) -> str:
    """Return the end of a message for a user who mixes devices, or calls math, NumPy or SymPy on tensors."""
    if isinstance(error, RuntimeError) and _MIXED in reason(error):
        return "; make your own tensors where the coordinates are: torch.tensor(..., device=x.device)"
    foreign = any(word in reason(error) for word in _FOREIGN) if isinstance(error, (TypeError, ValueError)) else False
    return "; use torch's functions, such as torch.sin, of fields and coordinates" if foreign else ""


def place(error: BaseException, function: Callable[..., Any]) -> str:
    """Return " (heat.py, line 12)", the innermost line of the function's own file in the error's traceback."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    line = place_in(error, code.co_filename) if code is not None else None
    return f" ({Path(code.co_filename).name}, line {line})" if code is not None and line else ""


def place_in(error: BaseException, file: str) -> int | None:
    """Return the number of the innermost line of ``file`` in the error's traceback; None if there is none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None
