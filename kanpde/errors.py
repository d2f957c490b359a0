"""Errors and messages of one line, which say what was expected, what was got and what to do; and how a run ended."""

from __future__ import annotations

import difflib
import io
import math
import os
import re
import sys
from collections.abc import Container, Iterable, Mapping
from dataclasses import fields
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, SupportsFloat, TypeVar

T = TypeVar("T")
LISTED = 60  # largest number of names that a message lists; only problems are more


class KanpdeError(Exception):
    """An error that the user can correct; the command line prints it in one line and returns status 2."""


class ProblemError(KanpdeError):
    """A problem file, a residual, a condition or a value is invalid."""


class ConfigurationError(KanpdeError):
    """A setting of the network, the sampling, the training or the device is invalid."""


class OutsideDomainWarning(UserWarning):
    """A solution is evaluated outside its domain, where no equation was solved."""


class ExitStatus(IntEnum):
    """The exit status that a command returns to the shell."""

    SOLVED = 0
    FAILED = 1  # a benchmark measured nothing
    BAD_INPUT = 2  # explained in one line on stderr
    DIVERGED = 3
    NOT_SOLVED = 4  # the audit's verdict is not "solved"; everything is saved
    INTERRUPTED = 130


class Ending(Enum):
    """How a training ended: a word, the reason, the remedy, and the exit status of the command.

    The reason contains the limit that was reached, if there is one.
    """

    word: str
    reason: str
    remedy: str
    status: ExitStatus

    CONVERGED = "converged", "more steps and finer knots gain nothing", "", ExitStatus.SOLVED
    UNKNOWNS = "unknowns", "finer knots would have more than {limit:.0f} unknowns", "", ExitStatus.SOLVED
    TARGET = "target", "the estimated relative error is at most {limit:g}", "", ExitStatus.SOLVED
    BOUND = "bound", "the error is proved to be at most {limit:g}", "", ExitStatus.SOLVED
    ITERATIONS = "iterations", "the last stage has run its {limit:.0f} iterations", "", ExitStatus.SOLVED
    PATIENCE = (
        "patience",
        "the error at points that are held out has not fallen for {limit:.0f} iterations",
        "",
        ExitStatus.SOLVED,
    )
    LOST = (
        "lost",
        "no shorter step and no finer knots solve the equation after t = {limit:.6g}",
        "the solution may blow up or form a shock there",
        ExitStatus.SOLVED,
    )
    BUDGET = "budget", "{limit:g} seconds are over", "", ExitStatus.SOLVED
    LIMIT = "limit", "{limit:.0f} iterations are over", "", ExitStatus.SOLVED
    DIVERGED = (
        "diverged",
        "the residual is not finite, however small the step",
        "check the equation and its parameters",
        ExitStatus.DIVERGED,
    )
    INTERRUPTED = "interrupted", "Ctrl-C was pressed", "", ExitStatus.INTERRUPTED

    def __init__(self, word: str, reason: str, remedy: str, status: ExitStatus) -> None:
        self.word, self.reason, self.remedy, self.status = word, reason, remedy, status

    def sentence(self, limit: float | None = None) -> str:
        """Return the ending in words, such as "budget: 5 seconds are over" for the limit 5."""
        return f"{self.word}: {self.reason.format(limit=limit)}" + (f"; {self.remedy}" if self.remedy else "")


def nearest(name: object, known: Iterable[object]) -> str:
    """Return the end of a message about an unknown name: the closest known names, then all known names."""
    names = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    if len(names) > LISTED:
        return f"{hint}kanpde list names all {len(names)}"
    return f"{hint}known: {', '.join(names) if names else 'none'}"


def among(value: object, known: Container[str]) -> bool:
    """Return whether a value is one of the known words; a list or a dict, which cannot be looked up, is not."""
    return isinstance(value, str) and value in known


def finite(value: SupportsFloat) -> bool:
    """Return whether a real number is finite as a float; integers of more than 308 digits are not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def number(value: object, *, whole: bool = False) -> bool:
    """Return whether a value is a finite real number and, if `whole`, an integer; 1e3 counts as an integer."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not finite(value):
        return False
    return not whole or value % 1 == 0


def out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation has failed; torch reports that by a RuntimeError."""
    return isinstance(error, MemoryError) or bool(re.search("can't allocate memory|out of memory", reason(error)))


def short(value: object, length: int = 80) -> str:
    """Return a value as a user would write it, in one line and cut to a length: it may be an array or a long list."""
    return cut(repr(value), length)


def cut(text: str, length: int) -> str:
    """Return a text in one line and cut to a length."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def reason(error: BaseException) -> str:
    """Return the kind of an error and its message in one line; the message is the user's, so it may fail or be long."""
    try:
        said = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:
        said = ""
    return cut(said if isinstance(error, KanpdeError) else f"{type(error).__name__}: {said}".rstrip(": "), 300)


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
            raise ConfigurationError(f"unknown setting {group}.{name}; {nearest(name, names)}")
    return kind(**settings)


class Messages(io.TextIOBase):
    """The stream of messages: stderr, whose failures, such as that of a full disk, must not end a run.

    After a failure nothing more is written, because every later flush of the same buffer would fail too.
    """

    def write(self, text: str) -> int:
        """Write the text if that is possible."""
        try:
            sys.stderr.write(text)
        except OSError:
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Flush stderr if that is possible."""
        try:
            sys.stderr.flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115

    def isatty(self) -> bool:
        """Return whether stderr is a terminal."""
        return sys.stderr.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of stderr."""
        return sys.stderr.encoding


def say(message: str) -> None:
    """Print one line on stderr, so that stdout contains only results."""
    print(" ".join(message.split()), file=Messages(), flush=True)


def warn(message: str) -> None:
    """Print a one-line warning on stderr."""
    say(f"warning: {message}")


def fail(message: str) -> None:
    """Print a one-line error on stderr."""
    say(f"error: {message}")
