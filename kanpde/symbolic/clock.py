"""Time limits on computations that may not terminate, for example simplifications by SymPy."""

from __future__ import annotations

import contextlib
import ctypes
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Seconds between repeated exceptions, because the computation may catch the first one.
_AGAIN = 0.25
_AROUND = (__file__, contextlib.__file__)  # files of the code that enters and leaves a block with a limit
_LATE = 0.25  # seconds within which another thread delivers a ring
_SOON = 1e-3  # seconds after which the timer rings again if it did in that code
_LAST = {"ended": -math.inf}  # when the last block with a timer ended
LONGEST_SECONDS = 1e8  # three years; timers reject much longer ones


class TimeLimit(BaseException):
    """The time limit is reached.

    It is not an Exception, so that code with a fallback on errors does not catch it.
    """


@contextmanager
def _unheard() -> Iterator[None]:
    """Print nothing of a TimeLimit that Python itself drops, as in a callback of its collector: it is raised again."""
    before = sys.unraisablehook

    def dropped(found: sys.UnraisableHookArgs) -> None:
        if not (found.exc_type is TimeLimit or isinstance(found.exc_value, TimeLimit)):
            before(found)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimit inside the block after `seconds`.

    In the main thread a system timer raises it, which interrupts blocking calls too. In other threads, and if no timer
    is available, the exception is raised between two bytecode instructions.
    """
    seconds = min(seconds, LONGEST_SECONDS)
    in_main = threading.current_thread() is threading.main_thread()
    # A running timer belongs to other code.
    by_signal = in_main and hasattr(signal, "setitimer") and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    with _alarm(seconds) if by_signal else _raised_from_aside(seconds):
        yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise TimeLimit in the block by the signal of a system timer."""

    over = False

    def ring(number: int, frame: FrameType | None) -> None:
        if over:
            return
        # Raised on the way out of the block it would keep this from silencing the timer.
        if frame is not None and frame.f_code.co_filename in _AROUND:
            signal.setitimer(signal.ITIMER_REAL, _SOON, _AGAIN)
            return
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, ring)

    def silence() -> None:
        nonlocal over
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        _LAST["ended"] = time.monotonic()
        signal.signal(signal.SIGALRM, _late if before is signal.SIG_DFL else before)

    with _unheard(), _ended_by(silence):
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6), _AGAIN)
        yield


def _late(number: int, frame: FrameType | None) -> None:
    """Ignore a ring that another thread delivers after its block, of which the default action would end the process."""
    if time.monotonic() - _LAST["ended"] > _LATE:  # one of other code, which has that action
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGALRM)


@contextmanager
def _raised_from_aside(seconds: float) -> Iterator[None]:
    """Raise TimeLimit in the block from another thread, and cancel a pending exception after the block."""
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
    """Call `ending` after the block, and again if TimeLimit is raised during that call."""
    try:
        try:
            yield
        finally:
            ending()
    except TimeLimit:
        ending()
        raise


class Clock:
    """A budget of seconds from the moment of construction."""

    def __init__(self, seconds: float) -> None:
        self.start, self.seconds = time.monotonic(), seconds

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    @property
    def left(self) -> float:
        """Seconds that remain, at least zero."""
        return max(0.0, self.seconds - self.passed)

    def end_within(self, seconds: float) -> None:
        """Reduce the budget so that at most `seconds` remain."""
        self.seconds = min(self.seconds, self.passed + seconds)
