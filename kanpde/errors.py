"""What can go wrong, said in one line: what was expected, what was got, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import Enum, IntEnum


class KanpdeError(Exception):
    """Any mistake that a user can mend; the command line shows its one line and ends with status 2."""


class ProblemError(KanpdeError):
    """A problem file, a residual, a condition or a value in them is not usable."""


class ConfigurationError(KanpdeError):
    """A setting of the network, the sampling, the training or the device is not usable."""


class ExitStatus(IntEnum):
    """What a command returns to the shell."""

    SOLVED = 0
    FAILED = 1  # a benchmark measured nothing
    BAD_INPUT = 2  # said in one line
    DIVERGED = 3
    INTERRUPTED = 130


class Ending(Enum):
    """How a training ended: its word, the reason, what to do about it, and the exit status of a command.

    The reason names the limit that was reached, where there is one.
    """

    word: str
    reason: str
    remedy: str
    status: ExitStatus

    CONVERGED = "converged", "more steps and finer knots gain nothing", "", ExitStatus.SOLVED
    TARGET = "target", "the estimated relative error is at most {limit:g}", "", ExitStatus.SOLVED
    ITERATIONS = "iterations", "the last stage has run its {limit:.0f} iterations", "", ExitStatus.SOLVED
    BUDGET = "budget", "{limit:g} seconds are over", "", ExitStatus.SOLVED
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


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the closest known names first, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    return f"{hint}known: {', '.join(names) if names else 'none'}"
