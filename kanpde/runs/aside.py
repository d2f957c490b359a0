"""Work that a run leaves to a fork of its process, such as figures while the search for a formula goes on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from multiprocessing.connection import wait

from kanpde.symbolic.workers import Task, cores, forkable

LONGEST_SECONDS = 120.0  # after which the fork is killed and the work is done here


class Aside:
    """A function without a result that runs in a fork of this process from now on.

    It runs here, in `join`, where a fork cannot compute, where there is one core, or where the fork died or was too
    slow. Its warnings are given by `join`.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._task = Task(_messages, function, LONGEST_SECONDS) if forkable() and cores() > 1 else None

    def join(self) -> None:
        """Wait for the end of the work; a second call does nothing."""
        function, task = self._function, self._task
        self._function, self._task = _nothing, None
        messages = None
        if task is not None:
            while not task.done():
                wait([task.receiver], timeout=LONGEST_SECONDS)
            messages = task.result
        if messages is None:
            function()
            return
        for message in messages:
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def _nothing() -> None:
    """The work of an `Aside` that has been joined."""


def _messages(function: Callable[[], object]) -> list[str]:
    """Run the function and return the texts of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(warning.message) for warning in caught]
