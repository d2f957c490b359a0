"""Ctrl-C, and other requests to stop, during work that must not be interrupted halfway."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

# Ctrl-C, and the requests of batch systems and closed terminals, where the platform has them.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupts:
    """A context in which the first Ctrl-C sets `asked`, and the second raises KeyboardInterrupt and sets `insisted`.

    The same holds for the other signals that have a handler in Python: the command line handles those of batch systems
    and closed terminals. Outside the main thread, and if a signal is ignored, signals behave as usual.
    """

    def __init__(self) -> None:
        self.asked = self.insisted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (number for number in SIGNALS if callable(signal.getsignal(number))):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.insisted = self.asked
        self.asked = True
        if self.insisted:
            raise KeyboardInterrupt
