"""Write the benchmark's files: JSON and Markdown after every measurement, and figures at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kanpde.bench.machine import describe_machine
from kanpde.bench.peers import CLASSICAL, OURS, PEERS
from kanpde.files import json_value, write_text

TARGETS = (1e-3, 1e-4, 1e-6)  # relative L2 errors to which the tables give the seconds
MISSING = "–"  # the cell of a value that does not exist
MAX_CHARACTERS = 80  # of a formula in a table
Row = Mapping[str, Any]


def seconds_to(trace: Sequence[Sequence[float]], target: float) -> float | None:
    """Return the first time at which the error is at most the target; None if it never is."""
    return next((seconds for seconds, error in trace if error is not None and error <= target), None)


def last_error(row: Row) -> float | None:
    """Return the error at the end."""
    error: float | None = row["trace"][-1][1]
    return error


def save(folder: Path, settings: Row, machine: dict[str, Any], rows: Sequence[Row], scaling: Sequence[Row]) -> None:
    """Write bench.json and bench.md with the results so far."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {"settings": settings, "machine": machine, "rows": rows, "scaling": scaling}
    write_text(folder / "bench.json", json.dumps(json_value(results), indent=1, allow_nan=False) + "\n")
    write_text(folder / "bench.md", markdown(settings, machine, rows, scaling))


def draw(folder: Path, rows: Sequence[Row], scaling: Sequence[Row]) -> None:
    """Draw a figure for every problem, and one of the cost of a step."""
    # Imported here, because matplotlib is slow to import and not needed before.
    from kanpde.plots import write_figure
    from kanpde.plots.bench import curves_figure, scaling_figure

    titles = {name: peer.title for name, peer in PEERS.items()}
    for problem, group in by_problem(rows).items():
        traces = {row["peer"]: row["trace"] for row in group}
        write_figure(curves_figure(problem, traces, titles, TARGETS), folder / f"{problem}.png")
    if scaling:
        write_figure(scaling_figure(scaling), folder / "scaling.png")


def by_problem(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each problem, in order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["problem"], []).append(row)
    return groups


def markdown(settings: Row, machine: dict[str, Any], rows: Sequence[Row], scaling: Sequence[Row]) -> str:
    """Return the tables, the machine and the command that measured them."""
    lines = [
        "# kanpde compared with other programs",
        "",
        f"`{command(settings)}` on {describe_machine(machine)}.",
        "",
        "Errors are relative L2 errors on one dense grid for all programs; the time to measure them is not counted.",
        "Other networks evaluate the same equation by automatic differentiation, all on the same number of points. The",
        "seconds of the spectral method are those of the first resolution that reaches the target.",
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
    """Return the command that repeats the measurement."""
    listed = (f"bench.{key}={word(value)}" for key, value in settings.items() if value is not None)
    return " ".join(["kanpde bench", *listed])


def word(value: Any) -> str:
    """Return a setting in Hydra's syntax."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def comparison(group: Sequence[Row]) -> list[str]:
    """Return the table of one problem: for each peer the seconds to each target, and their ratio to kanpde's."""
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
    """Return the seconds to a target and, for other networks, their ratio to kanpde's seconds."""
    seconds = seconds_to(row["trace"], target)
    if seconds is None:
        return MISSING
    reference = None if ours is None else seconds_to(ours["trace"], target)
    compared = row["peer"] not in (OURS, CLASSICAL) and reference
    return f"{seconds:.2g}" + (f" (×{seconds / reference:.2g})" if compared and reference else "")


def formulas(rows: Sequence[Row]) -> list[str]:
    """Return the table of the formulas read off trained networks, by kanpde's search or pykan's auto_symbolic."""
    lines = ["| problem | | formula | status | relative L2 | seconds |", "|---|---|---|---|---|---|"]
    for row in rows:
        formula = row["formula"]
        text = MISSING if formula["expression"] is None else f"`{shorten(formula['expression'])}`"
        end = f"{number(formula['relative_l2'])} | {formula['seconds']:.3g}"
        lines.append(f"| {row['problem']} | {PEERS[row['peer']].title} | {text} | {formula['status']} | {end} |")
    return lines


def shorten(expression: str) -> str:
    """Round the numbers of an expression to four digits and cut it to the length of a cell."""
    rounded = re.sub(r"\d+\.\d+(e[+-]?\d+)?", lambda found: f"{float(found[0]):.4g}", expression)
    return rounded if len(rounded) <= MAX_CHARACTERS else rounded[: MAX_CHARACTERS - 2] + " …"


def costs(scaling: Sequence[Row]) -> list[str]:
    """Return the table of the cost of a step."""
    lines = ["| varied | points | parameters | dimensions | seconds | peak memory (GiB) |", "|---|---|---|---|---|---|"]
    for row in scaling:
        memory = MISSING if row["gib"] is None else f"{row['gib']:.2f}"
        size = f"{row['points']} | {row['parameters']} | {row['dimension']}"
        lines.append(f"| {row['varied']} | {size} | {row['seconds']:.3g} | {memory} |")
    return lines


def number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1e}"
