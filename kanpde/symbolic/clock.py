"""A limit of time on a computation that may never end, such as a simplification by SymPy."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Cut again this often, in seconds, where the computation catches whatever is raised in it.
_AGAIN = 0.25


class TimeLimit(BaseException):
    """The time is over. No Exception, so that code which tries something else on errors does not go on."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimit inside the block when it has run for so long.

    In the main thread the system's timer interrupts sleeping too; in other threads, and where there is no such timer,
    pure Python code is cut between two of its instructions.
    """
    in_main = threading.current_thread() is threading.main_thread()
    # A timer that runs already belongs to somebody else.
    by_signal = in_main and hasattr(signal, "setitimer") and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    with _alarm(seconds) if by_signal else _raised_from_aside(seconds):
        yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, ring)

    def silence() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    with _ended_by(silence):
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6), _AGAIN)
        yield


@contextmanager
def _raised_from_aside(seconds: float) -> Iterator[None]:
    """Another thread raises the exception in this one; none is left to be raised after the block."""
    target, done, lock = ctypes.c_ulong(threading.get_ident()), threading.Event(), threading.Lock()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            with lock:
                if not done.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(TimeLimit))
            wait = _AGAIN

    def dismiss() -> None:
        with lock:
            done.set()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(target, None)

    with _ended_by(dismiss):
        threading.Thread(target=watch, daemon=True).start()
        yield


@contextmanager
def _ended_by(ending: Callable[[], None]) -> Iterator[None]:
    """Call `ending` after the block, once more where the time is over just while it is called."""
    try:
        try:
            yield
        finally:
            ending()
    except TimeLimit:
        ending()
        raise


class Clock:
    """How much is left of a budget of seconds."""

    def __init__(self, seconds: float) -> None:
        self.start, self.seconds = time.monotonic(), seconds

    @property
    def passed(self) -> float:
        return time.monotonic() - self.start

    @property
    def left(self) -> float:
        return max(0.0, self.seconds - self.passed)

    def end_within(self, seconds: float) -> None:
        """Make the budget smaller, so that no more than so many seconds are left."""
        self.seconds = min(self.seconds, self.passed + seconds)
