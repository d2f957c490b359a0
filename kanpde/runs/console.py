"""Print one-line messages on stderr and tables on stdout."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from kanpde.errors import fail, say, warn

__all__ = [
    "bound",
    "comparison",
    "diagnosis",
    "fail",
    "problems",
    "proof",
    "run",
    "say",
    "suite",
    "sweep",
    "unread",
    "warn",
]

LEAST_WIDTH = 60  # of the table, in a terminal that says that it is narrower
MAX_APPROXIMATION = 160  # characters of an approximation that is printed; formula.json has longer ones


class Output(Console):
    """A console that goes on when nobody reads it any more, as `kanpde ... | head` does."""

    def on_broken_pipe(self) -> None:
        """Drop the rest of what is printed."""
        unread()


def unread() -> None:
    """Send the rest of stdout to nowhere, because its reader has gone: a run's results are in its files."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def problems(equations: Mapping[str, str]) -> None:
    """Print the table of problems by name, each with its equation."""
    width = max(map(len, equations), default=0)
    for name, equation in equations.items():
        print(f"{name:<{width}}  {equation}".rstrip())


def run(metrics: Mapping[str, Any]) -> None:
    """Print the table of a run: its errors, its formula, its seconds and its network."""
    table = Table("", str(metrics["problem"]), box=box.SIMPLE_HEAD)
    table.columns[1].overflow = "fold"
    for label, value in _rows(metrics):
        table.add_row(label, value)
    console = Output(highlight=False, markup=False)
    console.print(table, width=max(console.width, LEAST_WIDTH))


def suite(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table of a suite of functions."""
    table = Table("function", "RMSE", "MAE", "R²", "parameters", "seconds", box=box.SIMPLE_HEAD)
    for name, row in rows.items():
        table.add_row(
            name,
            *(_number(row[key]) for key in ("rmse", "mae")),
            f"{row['r2']:.6g}",
            str(row["parameters"]),
            f"{row['seconds']:.1f}",
        )
    Output(highlight=False, markup=False).print(table)


def comparison(title: str, rows: Mapping[str, Mapping[str, Any]], error: str) -> None:
    """Print the table of networks on the same problem; `error` says what their errors are."""
    table = Table(title, "sizes", "parameters", "iterations", "seconds", error, box=box.SIMPLE_HEAD)
    for name, row in rows.items():
        numbers = str(row["parameters"]), str(row["iterations"]), f"{row['seconds']:.1f}"
        table.add_row(name, row["sizes"], *numbers, _number(row["error"]))
    console = Output(highlight=False, markup=False)
    console.print(table, width=max(console.width, LEAST_WIDTH))


def sweep(jobs: Sequence[tuple[Sequence[str], Mapping[str, Any], float]]) -> None:
    """Print the table of a sweep's jobs from their settings, their metrics, and what a sweeper minimises.

    The metrics of a job that failed are empty. Settings that are the same in all jobs are left out.
    """
    table = Table("sweep", "verdict", "parameters", "seconds", "error, or misfit", box=box.SIMPLE_HEAD)
    common = set.intersection(*(set(words) for words, _, _ in jobs))
    for words, metrics, score in jobs:
        seconds = metrics.get("seconds", {}).get("training")
        table.add_row(
            " ".join(word for word in words if word not in common),
            str(metrics.get("verdict", "–")),
            str(metrics.get("parameters", "–")),
            "–" if seconds is None else f"{seconds:.1f}",
            _number(score if math.isfinite(score) else None),
        )
    console = Output(highlight=False, markup=False)
    console.print(table, width=max(console.width, LEAST_WIDTH))


def diagnosis(title: str, found: Mapping[str, Any]) -> None:
    """Print the table of a network's layers, and the numbers of its Jacobian."""
    table = Table(title, "edges", "dead", "grid used", "values outside", "gradient", box=box.SIMPLE_HEAD)
    for number, layer in enumerate(found["layers"], start=1):
        shares = f"{100 * layer['used']:.3g} %", f"{100 * layer['outside']:.3g} %"
        table.add_row(f"layer {number}", str(layer["edges"]), str(layer["dead"]), *shares, _number(layer["gradient"]))
    console = Output(highlight=False, markup=False)
    console.print(table, width=max(console.width, LEAST_WIDTH))
    print(f"loss: {_number(found['loss'])}")
    if found["rank"] is not None:
        print(f"rank: {found['rank']} of {found['parameters']} parameters")
        print(f"condition of the Gauss–Newton matrix: {_number(found['condition'])}")


def _rows(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "verdict" in metrics:  # runs of older versions have none
        yield "verdict", str(metrics["verdict"])
        for number, reason in enumerate(metrics["reasons"]):
            yield ("" if number else "but" if metrics["verdict"] == "solved" else "because"), str(reason)
        yield "relative L2 error, estimated", _number(metrics["error_estimate"])
        yield "maximum error, estimated", _number(metrics["error_estimate_max"])
        if metrics.get("error_bound") is not None:
            yield "maximum error, at most", _number(metrics["error_bound"])
        yield from _in_time(metrics)
    if "scores" in metrics:  # of a fit
        yield from _scores(metrics)
    else:
        yield from _errors(metrics)
    yield from _formula(metrics.get("formula"))
    yield from _course(metrics)


def _in_time(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the growth of the estimated error of an evolution with many slabs, by periods of time."""
    periods = metrics.get("error_in_time")  # runs of older versions have none
    if not periods or not _slabbed(metrics):
        return
    yield "solved until, believed until", f"t = {metrics['solved_until']:.6g}, t = {metrics['believed_until']:.6g}"
    for number, (time, error) in enumerate(periods):
        yield "" if number else "error, estimated, in time", f"{_number(error)} up to t = {time:.4g}"


def _slabbed(metrics: Mapping[str, Any]) -> bool:
    """Return whether a run has networks for parts of time."""
    return bool(metrics.get("networks", 1) > 1)  # runs of older versions have one


def _scores(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the errors of a fit on each part of the samples, and how its smoothness was chosen."""
    for part, scores in metrics["scores"].items():
        errors = f"RMSE {_number(scores['rmse'])}, MAE {_number(scores['mae'])}, R² {scores['r2']:.6g}"
        yield f"{part}, {scores['samples']} samples", errors
    fit = metrics["fit"]
    if fit["smoothness"] is not None:
        how = "given" if fit["smoothness_given"] else f"chosen by {fit['chosen_by']}"
        yield "smoothness", f"{fit['smoothness']:.0e}, {how}"


def _errors(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "relative L2 error", _number(metrics["relative_l2"])
    yield "maximum error", _number(metrics["max_error"])
    yield "relative H1 error", _number(metrics["relative_h1"])
    yield "residual (rms)", _number(metrics["residual_rms"])
    for name, value in metrics["conditions_rms"].items():
        yield f"condition {name} (rms)", _number(value)
    for name, value in (metrics["unknowns"] or {}).items():
        spread = (metrics.get("uncertainty") or {}).get(name)
        if isinstance(value, Mapping):  # a function's values at some points
            shown = f"from {min(value['values']):.6g} to {max(value['values']):.6g}"
        else:
            shown = f"{value:.10g}"
        yield f"unknown {name}", shown + ("" if spread is None else f" ± {spread:.1e}")


def _course(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seconds = metrics["seconds"]
    parts = [
        f"{seconds[part]:.1f} of them {part}" for part in ("training", "symbolic") if seconds.get(part) is not None
    ]
    yield "seconds", f"{seconds['total']:.1f} ({', '.join(parts)})"
    several = f"{metrics['networks']} of them, one after the other in time" if _slabbed(metrics) else metrics["width"]
    yield (
        "network",
        f"{several}, {metrics['parameters']} parameters, {metrics['dtype']} on {metrics['device']}",
    )
    yield "iterations", str(metrics["iterations"])
    yield "stopped because", str(metrics["stopped_because"])


def _formula(formula: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield the formula, its status, its error and the bound of its error."""
    if formula is None:
        return
    if formula["status"] == "none":
        yield "formula", "no closed form found"
        if formula["expression"] is None or len(formula["text"]) > MAX_APPROXIMATION:
            return
        yield "approximation", _shorten(formula["text"])
    else:
        words = {"proved": "proved", "numeric": "verified numerically, not proved"}
        yield f"formula, {words[formula['status']]}", _shorten(formula["text"])
    yield "formula's relative L2 error", _number(formula["relative_l2"])
    if formula.get("bound") is not None:
        yield "its error is at most", _number(formula["bound"])


def _shorten(text: str, max_length: int = 300) -> str:
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def bound(metrics: Mapping[str, Any]) -> None:
    """Print the proved bound of a run's error and the steps of its proof, or the reason why there is none."""
    steps = metrics.get("bound_steps") or ["the run is of an older version"]
    if metrics["error_bound"] is None:
        print(f"error bound: none, because {steps[0]}")
        return
    print(f"error bound: {_number(metrics['error_bound'])}")
    _numbered(steps)


def proof(formula: Mapping[str, Any]) -> None:
    """Print a formula, its status, and the steps of its proof."""
    print(formula["text"] or "no formula")
    reasons = [text for text in (formula["reason"], *formula["undetermined"]) if text]
    print(f"status: {formula['status']}" + "".join(f"\n  {reason}" for reason in dict.fromkeys(reasons)))
    _numbered(formula["steps"])


def _numbered(steps: Iterable[str]) -> None:
    for number, step in enumerate(steps, start=1):
        print(f"{number:3}. {step}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}"
