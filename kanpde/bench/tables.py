"""The benchmark's files: JSON and Markdown, written anew whenever something is known, and figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kanpde.bench.machine import described
from kanpde.bench.peers import CLASSICAL, OURS, PEERS
from kanpde.runs.run_folder import finite, write

TARGETS = (1e-3, 1e-4, 1e-6)
NONE = "–"
LONGEST = 80  # letters of a formula in its table
Row = Mapping[str, Any]


def seconds_to(trace: Sequence[Sequence[float]], target: float) -> float | None:
    """The first seconds at which the error was at most the target; None where it never was."""
    return next((seconds for seconds, error in trace if error is not None and error <= target), None)


def last_error(row: Row) -> float | None:
    """The error at the end."""
    error: float | None = row["trace"][-1][1]
    return error


def save(folder: Path, settings: Row, machine: dict[str, Any], rows: Sequence[Row], scaling: Sequence[Row]) -> None:
    """Write bench.json and bench.md with what is known so far."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {"settings": settings, "machine": machine, "rows": rows, "scaling": scaling}
    write(folder / "bench.json", json.dumps(finite(known), indent=1, allow_nan=False) + "\n")
    write(folder / "bench.md", markdown(settings, machine, rows, scaling))


def draw(folder: Path, rows: Sequence[Row], scaling: Sequence[Row]) -> None:
    """A figure for every problem, and one of what a step costs."""
    # Imported here: matplotlib takes its time, and is not needed before.
    from kanpde.plots import write_figure
    from kanpde.plots.bench import curves_figure, scaling_figure

    titles = {name: peer.title for name, peer in PEERS.items()}
    for problem, group in by_problem(rows).items():
        traces = {row["peer"]: row["trace"] for row in group}
        write_figure(curves_figure(problem, traces, titles, TARGETS), folder / f"{problem}.png")
    if scaling:
        write_figure(scaling_figure(scaling), folder / "scaling.png")


def by_problem(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each problem, in order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["problem"], []).append(row)
    return groups


def markdown(settings: Row, machine: dict[str, Any], rows: Sequence[Row], scaling: Sequence[Row]) -> str:
    """The tables, with what they were measured on and by which command."""
    lines = [
        "# kanpde beside its peers",
        "",
        f"`{command(settings)}` on {described(machine)}.",
        "",
        "Errors are relative L2 on one dense grid for all; measuring them does not count. Network peers see the same",
        "equation by automatic differentiation, on as many points as each other. The spectral method's seconds",
        "are those of one solution that is good enough.",
    ]
    for problem, group in by_problem(rows).items():
        lines += ["", f"## {problem}", "", *comparison(group)]
    found = [row for row in rows if row.get("formula")]
    if found:
        lines += ["", "## Formulas", "", *formulas(found)]
    if scaling:
        lines += ["", "## A step of Gauss–Newton", "", *costs(scaling)]
    return "\n".join(lines) + "\n"


def command(settings: Row) -> str:
    """The words that measure this again."""
    listed = (f"bench.{key}={word(value)}" for key, value in settings.items() if value is not None)
    return " ".join(["kanpde bench", *listed])


def word(value: Any) -> str:
    """A setting as Hydra reads it."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def comparison(group: Sequence[Row]) -> list[str]:
    """The table of one problem: a line for each peer, with how many times as long as kanpde it took to each target."""
    header = " | ".join(f"seconds to {target:.0e}".replace("e-0", "e-") for target in TARGETS)
    lines = [
        f"| | {header} | relative L2 at the end | seconds | parameters | points | method | versions |",
        f"|---|{'---|' * (len(TARGETS) + 6)}",
    ]
    ours = next((row for row in group if row["peer"] == OURS), None)
    for row in group:
        reached = " | ".join(time_cell(row, ours, target) for target in TARGETS)
        versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
        end = f"{number(last_error(row))} | {row['trace'][-1][0]:.1f}"
        size = f"{row['parameters']} | {row['points']}"
        lines.append(f"| {PEERS[row['peer']].title} | {reached} | {end} | {size} | {row['method']} | {versions} |")
    return lines


def time_cell(row: Row, ours: Row | None, target: float) -> str:
    """Seconds to a target, and for other networks that times kanpde's."""
    seconds = seconds_to(row["trace"], target)
    if seconds is None:
        return NONE
    reference = None if ours is None else seconds_to(ours["trace"], target)
    compared = row["peer"] not in (OURS, CLASSICAL) and reference
    return f"{seconds:.2g}" + (f" (×{seconds / reference:.2g})" if compared and reference else "")


def formulas(rows: Sequence[Row]) -> list[str]:
    """The table of what was read off the trained networks: kanpde's search beside pykan's auto_symbolic."""
    lines = ["| problem | | formula | status | relative L2 | seconds |", "|---|---|---|---|---|---|"]
    for row in rows:
        formula = row["formula"]
        text = NONE if formula["expression"] is None else f"`{shortened(formula['expression'])}`"
        end = f"{number(formula['relative_l2'])} | {formula['seconds']:.3g}"
        lines.append(f"| {row['problem']} | {PEERS[row['peer']].title} | {text} | {formula['status']} | {end} |")
    return lines


def shortened(expression: str) -> str:
    """An expression as a cell of a table: numbers in four digits, and not too long."""
    rounded = re.sub(r"\d+\.\d+(e[+-]?\d+)?", lambda found: f"{float(found[0]):.4g}", expression)
    return rounded if len(rounded) <= LONGEST else rounded[: LONGEST - 2] + " …"


def costs(scaling: Sequence[Row]) -> list[str]:
    """The table of what a step costs."""
    lines = ["| varied | points | parameters | dimensions | seconds | peak memory (GiB) |", "|---|---|---|---|---|---|"]
    for row in scaling:
        memory = NONE if row["gib"] is None else f"{row['gib']:.2f}"
        size = f"{row['points']} | {row['parameters']} | {row['dimension']}"
        lines.append(f"| {row['varied']} | {size} | {row['seconds']:.3g} | {memory} |")
    return lines


def number(value: float | None) -> str:
    return NONE if value is None else f"{value:.1e}"
