"""Solve every shipped problem with default settings: docs/gallery.md, and one small figure for each.

`python benchmarks/gallery.py` runs all problems, and `python benchmarks/gallery.py heat wave` only these; the rows of
the others stay. Every problem runs in a process of its own, and its row is written as soon as it ends.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kanpde import Solution
from kanpde.bench.machine import processor
from kanpde.errors import ExitStatus
from kanpde.plots.slices import Slice, slices
from kanpde.plots.style import new_figure, style_axes
from kanpde.problem.registry import describe, discover

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "gallery.md"
PICTURES = ROOT / "docs" / "images" / "gallery"
RECORDS = ROOT / "results" / "gallery.json"
BUDGET = 30  # seconds of training for each problem
SEARCH = 20  # seconds of the search for a formula
LIMIT = 300  # seconds for the whole run: training, audit, formula, figures
COLOURS = 128  # of a picture, to keep its file small
LONGEST = 90  # characters of a formula in the table

Record = dict[str, Any]


def main() -> None:
    """Run the problems named on the command line, or all, and write the page after each."""
    names = sys.argv[1:] or sorted(discover())
    records: dict[str, Record] = json.loads(RECORDS.read_text(encoding="utf-8")) if RECORDS.is_file() else {}
    for name in names:
        records[name] = run(name)
        print(row(name, records[name]), flush=True)
        records = {each: records[each] for each in sorted(discover()) if each in records}
        RECORDS.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(records), encoding="utf-8")


def run(name: str) -> Record:
    """Solve one problem in a process of its own, draw its picture, and return what the page says about it."""
    settings = [f"training.budget_seconds={BUDGET}", f"symbolic.budget_seconds={SEARCH}", "device=cpu"]
    where = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    kept: Record = {"machine": f"one thread of {os.cpu_count()} × {processor()}"}
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "kanpde", f"problem={name}", *settings, f"hydra.run.dir={folder}"]
        try:
            done = subprocess.run(words, check=False, capture_output=True, text=True, env=where, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return {**kept, "verdict": f"no end after {LIMIT} s"}
        if done.returncode not in (ExitStatus.SOLVED, ExitStatus.NOT_SOLVED):
            return {**kept, "verdict": f"exit status {done.returncode}", "said": done.stderr[-500:]}
        metrics = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
        draw(Solution.load(Path(folder) / "solution.kan"), PICTURES / f"{name}.png")
    metrics["unknowns"] = {k: v for k, v in (metrics["unknowns"] or {}).items() if isinstance(v, float)}
    wanted = ("verdict", "reasons", "relative_l2", "error_estimate", "unknowns", "parameters", "seconds", "formula")
    return {**kept, **{key: metrics[key] for key in wanted}}


def draw(solution: Solution, path: Path) -> None:
    """Draw the first field on one plane, or all fields on a line, as a small picture of few colours."""
    domain, fields = solution.problem.domain, solution.problem.fields
    cuts = slices(domain, lambda grid: np.abs(by_field(solution, grid, fields)[fields[0]]))
    cut = cuts[len(cuts) // 2]
    values = by_field(solution, cut.coordinates(), fields)
    figure = new_figure(2.6, 2.0, "compressed")
    axes = figure.subplots()
    if len(cut.axes) == 1:
        along = cut.coordinates()[domain.names[cut.axes[0]]]
        for field in fields:
            axes.plot(along, values[field], label=field)
        if len(fields) > 1:
            axes.legend(fontsize=7)
        style_axes(axes, domain.names[cut.axes[0]])
    else:
        left, right, low, high = cut.extent
        inside = masked(values[fields[0]], cut)
        axes.imshow(inside, origin="lower", extent=(left, right, low, high), aspect="auto", interpolation="nearest")
        style_axes(axes, *(domain.names[a] for a in cut.axes))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=90)
    Image.open(picture).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def by_field(solution: Solution, grid: Mapping[str, Any], fields: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the solution on a grid as a dict by field."""
    points = np.stack([np.ravel(values) for values in grid.values()], axis=1)
    shape = np.shape(next(iter(grid.values())))
    return {name: each.reshape(shape) for name, each in zip(fields, solution.evaluate(points).T, strict=True)}


def masked(values: Any, cut: Slice) -> Any:
    """Return the values with those outside of the domain left out."""
    level = cut.level()
    return values if level is None else np.where(level > 0, np.nan, values)


def page(records: Mapping[str, Record]) -> str:
    """Return the page: how it was made, and a table with one row for each problem."""
    machines = ", and on ".join(dict.fromkeys(record["machine"] for record in records.values()))
    solved = sum(record["verdict"] == "solved" for record in records.values())
    return "\n".join(
        [
            "# Gallery",
            "",
            f"{len(records)} of {len(discover())} shipped problems with default settings, {BUDGET} s of training and "
            f"{SEARCH} s of the search for a formula: {solved} are solved. `python benchmarks/gallery.py` made this "
            f"page on {machines}. Other work ran on the machine, so the seconds are upper limits.",
            "",
            "The error is the relative L² error over the whole domain against the exact or a reference solution; the "
            "estimate is that of the [audit](audit.md), which knows neither. Seconds are those of training.",
            "",
            "| problem | | equation | verdict | error | estimate | s | formula |",
            "|---|---|---|---|---|---|---|---|",
            *(row(name, record) for name, record in records.items()),
            "",
        ]
    )


def row(name: str, record: Record) -> str:
    """Return the row of one problem."""
    picture = f"![{name}](images/gallery/{name}.png)" if (PICTURES / f"{name}.png").is_file() else ""
    equation, colon, words = describe(name).partition(": ")
    equation = f"`{escaped(equation)}`{colon}{words}"
    cells = [f"`{name}`", picture, equation, record["verdict"]]
    if "relative_l2" in record:
        errors = [scientific(record["relative_l2"]), scientific(record["error_estimate"])]
        cells += [*errors, f"{record['seconds']['training']:.1f}", formula(record)]
    return f"| {' | '.join(cells + [''] * (8 - len(cells)))} |"


def formula(record: Record) -> str:
    """Return the formula and its status, and the constants that were found."""
    found = record["formula"] or {"status": "none"}
    constants = [f"`{name} = {value:.10g}`" for name, value in record["unknowns"].items()]
    text = found.get("text")
    shown = [f"`{escaped(text)}`"] if text and found["status"] == "proved" and len(text) <= LONGEST else []
    return ", ".join([found["status"], *shown, *constants])


def scientific(value: float | None) -> str:
    """Return a number with two digits, or a dash."""
    return "–" if value is None else f"{value:.1e}"


def escaped(text: str) -> str:
    """Return a text that can stand in a cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
