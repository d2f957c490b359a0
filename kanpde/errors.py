"""What can go wrong, said in one line: what was expected, what was got, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import Enum


class KanpdeError(Exception):
    """Any mistake that a user can mend; the command line shows its one line and ends with status 2."""


class ProblemError(KanpdeError):
    """A problem file, a residual, a condition or a value in them is not usable."""


class ConfigurationError(KanpdeError):
    """A setting of the network, the sampling, the training or the device is not usable."""


class Ending(Enum):
    """How a training ended: its word, the reason, what to do about it, and the exit status of a command."""

    word: str
    reason: str
    remedy: str
    status: int

    CONVERGED = "converged", "finer knots and more steps gain nothing", "", 0
    TARGET = "target", "the estimated relative error is at most training.target", "", 0
    BUDGET = "budget", "the seconds of training.budget_seconds are over", "go on with kanpde resume", 0
    DIVERGED = (
        "diverged",
        "the residual is not finite, however small the step",
        "check the equation and its parameters",
        3,
    )
    INTERRUPTED = "interrupted", "by Ctrl-C", "go on with kanpde resume", 130

    def __init__(self, word: str, reason: str, remedy: str, status: int) -> None:
        self.word, self.reason, self.remedy, self.status = word, reason, remedy, status


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the closest known names first, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    return f"{hint}known: {', '.join(names) if names else 'none'}"
