"""Ctrl-C during work that must not be interrupted halfway."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """A context in which the first Ctrl-C sets `asked`, and the second raises KeyboardInterrupt and sets `insisted`.

    Outside the main thread, and if Ctrl-C is ignored, Ctrl-C behaves as usual.
    """

    def __init__(self) -> None:
        self.asked = self.insisted = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        before = signal.getsignal(signal.SIGINT)
        if callable(before) and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.insisted = self.asked
        self.asked = True
        if self.insisted:
            raise KeyboardInterrupt
