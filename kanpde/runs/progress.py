"""Show the progress of a run: a live line in a terminal, else a plain line every few seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, cast

from rich.console import Console
from rich.live import Live
from rich.text import Text

from kanpde.errors import Messages

QUIET_SECONDS = 5.0  # between two plain lines if the output is not a terminal


def message_console() -> Console:
    """Return a console on the stream of messages."""
    return Console(file=cast(IO[str], Messages()), highlight=False, markup=False, soft_wrap=True)


class Progress:
    """A training callback and the context manager that shows its live line."""

    def __init__(self, title: str, budget_seconds: float | None = None, console: Console | None = None) -> None:
        self.title, self.budget_seconds = title, budget_seconds
        self.console = console or message_console()
        self.record: Mapping[str, Any] = {}
        self._received = self._printed = time.monotonic()
        self._printed_record: Mapping[str, Any] = self.record
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self.record is not self._printed_record:
            self.console.print(self._render())

    def on_start(self, trainer: Any) -> None:
        """Print the title now and not earlier, so that bad input prints one line alone."""
        self.console.print(Text(self.title))
        if trainer is not None and trainer.memory:
            self.console.print(Text(trainer.memory))
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=4)
            self._live.start()

    def on_iteration(self, record: Mapping[str, Any]) -> None:
        """Keep the newest record; without a terminal print it if it begins a stage or the last line is old."""
        new_stage = record["stage"] != self.record.get("stage")
        self.record, self._received = record, time.monotonic()
        if self._live is None and (new_stage or time.monotonic() - self._printed > QUIET_SECONDS):
            self._printed, self._printed_record = time.monotonic(), record
            self.console.print(self._render())

    def on_checkpoint(self, trainer: Any) -> None:
        """Show nothing."""

    def on_end(self, trainer: Any) -> None:
        """Show nothing, because leaving the context prints the last line."""

    def _render(self) -> Text:
        # A record's seconds include those before an interruption; the time since the record is added.
        elapsed = self.record.get("seconds", 0.0) + time.monotonic() - self._received
        return Text(line(self.record, elapsed, self.budget_seconds))


def line(record: Mapping[str, Any], elapsed: float, budget_seconds: float | None) -> str:
    """Return one line of progress: stage, iteration, loss, the error if it is known, and the time."""
    if not record:
        return f"starting  {clock(elapsed)}"
    stage = record["stage"]
    words = [
        stage if isinstance(stage, str) else f"stage {stage:g}",
        f"iteration {record['iteration']:.0f}",
        f"loss {record['loss']:.2e}",
    ]
    if math.isfinite(record.get("error", math.nan)):
        words.append(f"error {record['error']:.2e}")
    return "  ".join([*words, clock(elapsed) + remaining(elapsed, budget_seconds)])


def remaining(elapsed: float, budget_seconds: float | None) -> str:
    """Return the end of a line: the rest of the budget; empty without a budget."""
    return "" if budget_seconds is None else f", at most {clock(math.ceil(max(0.0, budget_seconds - elapsed)))} left"


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class FormulaProgress:
    """The progress of the search for a formula: called with lines of text, and the context manager that shows them."""

    def __init__(self, budget_seconds: float | None = None, console: Console | None = None) -> None:
        self.console = console or message_console()
        self.budget_seconds, self.text = budget_seconds, "looking for a formula"
        self._started = self._printed = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> FormulaProgress:
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=4)
            self._live.start()
        else:
            self.console.print(self._render())
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, text: str) -> None:
        """Keep the newest line; without a terminal print it if the last printed line is old."""
        self.text = " ".join(text.split())
        if self._live is None and time.monotonic() - self._printed > QUIET_SECONDS:
            self._printed = time.monotonic()
            self.console.print(self._render())

    def _render(self) -> Text:
        elapsed = time.monotonic() - self._started
        time_text = f"{clock(elapsed)}{remaining(elapsed, self.budget_seconds)}"
        return Text(f"formula  {self.text}  {time_text}", overflow="ellipsis")
