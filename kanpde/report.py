"""What the command line prints: one-line messages on stderr, tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def say(message: str) -> None:
    """One line of progress, on stderr so that stdout holds results alone."""
    print(_one_line(message), file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """One line about something that may not be what the user meant."""
    say(f"warning: {message}")


def fail(message: str) -> None:
    """One line about what went wrong."""
    say(f"error: {message}")


def problems(equations: Mapping[str, str]) -> None:
    """The table of problems by name, each with its equation."""
    width = max(map(len, equations), default=0)
    for name, equation in equations.items():
        print(f"{name:<{width}}  {equation}".rstrip())


def run(metrics: Mapping[str, Any]) -> None:
    """The table of a run's errors and of what they cost."""
    table = Table("", str(metrics["problem"]), box=box.SIMPLE_HEAD)
    table.columns[1].overflow = "fold"
    for label, value in _rows(metrics):
        table.add_row(label, value)
    Console(highlight=False, markup=False).print(table)


def _rows(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "relative L2 error", _number(metrics["relative_l2"])
    yield "maximum error", _number(metrics["max_error"])
    yield "relative H1 error", _number(metrics["relative_h1"])
    yield "residual (rms)", _number(metrics["residual_rms"])
    for name, value in metrics["conditions_rms"].items():
        yield f"condition {name} (rms)", _number(value)
    for name, value in (metrics["unknowns"] or {}).items():
        yield f"unknown {name}", f"{value:.10g}"
    seconds = metrics["seconds"]
    yield "seconds", f"{seconds['total']:.1f} ({seconds['training']:.1f} of them training)"
    yield (
        "network",
        f"{metrics['width']}, {metrics['parameters']} parameters, {metrics['dtype']} on {metrics['device']}",
    )
    yield "iterations", str(metrics["iterations"])
    yield "stopped because", str(metrics["stopped_because"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}"


def _one_line(message: str) -> str:
    return " ".join(message.split())
