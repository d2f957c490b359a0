"""What can go wrong, said in one line: what was expected, what was got, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KanpdeError(Exception):
    """Any mistake that a user can mend; the command line shows its one line and ends with status 2."""


class ProblemError(KanpdeError):
    """A problem file, a residual, a condition or a value in them is not usable."""


class ConfigurationError(KanpdeError):
    """A setting of the network, the sampling, the training or the device is not usable."""


class DivergenceError(KanpdeError):
    """Training met numbers that are not finite and could not step back from them."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the closest known names first, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    return f"{hint}known: {', '.join(names) if names else 'none'}"
