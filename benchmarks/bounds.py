"""Compare proved bounds with estimates and true errors: results/bounds.md and results/bounds.png.

Every shipped problem is solved until it converges or its budget ends:

    python benchmarks/bounds.py [--budget SECONDS] [--also SECONDS ...] [--keep FILE] [PROBLEM ...]

With `--also` solutions of shorter trainings are bounded too, to look for a bound below the true error. With `--keep`
what is measured is kept in a file, and not measured again by the next call.

With `--spoiled N` solutions of random problems are spoiled on purpose instead, to look for a bound below the true
error: results/spoiled.md.

    python benchmarks/bounds.py --spoiled 500 [--seed NUMBER]

With `--random N` solutions of random problems, made by the method of manufactured solutions, are bounded as they are:
results/manufactured.md.

    python benchmarks/bounds.py --random 115 [--seed NUMBER]

With `--bits` bounds are proved again with Arb's balls of 53, 113 and 200 bits: results/rounding.md. This needs
python-flint (`pip install kanpde[arb]`).

    python benchmarks/bounds.py --bits [PROBLEM ...]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from kanpde import load_problem, solve
from kanpde.bench.machine import processor
from kanpde.bench.manufactured import manufactured_solutions
from kanpde.bench.rounding import LARGEST, PATIENCE, SMALLEST, Rounded, rounded_bounds
from kanpde.bench.spoiled import CASES, Tried, spoiled_solutions
from kanpde.marching.audit.bound import SECONDS, Bound, error_bound
from kanpde.network.trial_function import Model
from kanpde.plots import write_figure
from kanpde.plots.style import MUTED, PALETTE, new_figure, style_axes
from kanpde.problem.problem import Problem
from kanpde.problem.registry import discover
from kanpde.symbolic.clock import TimeLimit
from kanpde.symbolic.proof import (
    barriers,
    comparison,
    coupled,
    dispersion,
    eigenvalues,
    maximum_principle,
    ordinary,
    representation,
    spectral,
    spherical_means,
)

BUDGET = 8.0  # seconds of training of a problem, so that all of them take less than twenty minutes
SOURCES = (
    *(maximum_principle, comparison, coupled, representation, spherical_means, dispersion, spectral, eigenvalues),
    *(barriers, ordinary),
)
THEOREMS = tuple(source.THEOREM for source in SOURCES)
CLOCK = 60.0  # seconds of a clock of a proof, because other programs may slow it down; the processor's are limited
COLUMNS = (
    "problem",
    "fields",
    "true, maximum",
    "estimate, maximum",
    "bound",
    "bound / true",
    "proof s",
    "theorem or reason",
)
FOLDER = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True)
class Row:
    """One problem: its truth, its estimate, its bound, the seconds of the proof, and the theorem or the reason."""

    problem: str
    fields: int
    true: float | None
    estimate: float
    bound: float | None
    seconds: float
    words: str

    @property
    def is_false(self) -> bool:
        return self.bound is not None and self.true is not None and self.bound < self.true

    @property
    def is_close(self) -> bool:
        return self.bound is not None and self.bound <= max(1000 * (self.true or 0.0), 1e-10)


def main() -> None:
    """Write the table again after every problem, and the figure at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", help="names of shipped problems; all by default")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of training of each problem")
    parser.add_argument("--also", type=float, nargs="*", default=[], help="more budgets, to look for false bounds")
    parser.add_argument("--spoiled", type=int, metavar="N", help="spoil N solutions instead")
    parser.add_argument("--random", type=int, metavar="N", help="bound solutions of N random problems instead")
    parser.add_argument("--bits", action="store_true", help="measure how bounds depend on rounding instead")
    parser.add_argument("--seed", type=int, default=0, help="of the spoiled solutions and the random problems")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="in which rows are kept, and found again")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if options.spoiled:
        spoil(options.spoiled, options.seed)
        return
    if options.random:
        manufacture(options.random, options.seed)
        return
    if options.bits:
        measure_rounding(options.problems, options.budget)
        return
    kept = Kept(options.keep)
    rows: list[Row] = []
    shorter: dict[float, list[Row]] = {budget: [] for budget in options.also}
    for name in options.problems or sorted(discover()):
        for budget, found in shorter.items():
            found.append(kept.row(name, budget, audited=False))
            print(f"{budget:g} s: {line(found[-1])}", flush=True)
        rows.append(kept.row(name, options.budget, audited=True))
        print(line(rows[-1]), flush=True)
        lines = table(rows, options.budget, shorter)
        (FOLDER / "bounds.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw([row for row in rows if row.true])


class Kept:
    """Rows in a file, one a line, so that a long measurement can be continued."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file is not None and file.exists() else []
        self.rows = {(kept["row"]["problem"], kept["budget"]): Row(**kept["row"]) for kept in map(json.loads, lines)}

    def row(self, name: str, budget: float, audited: bool) -> Row:
        """Return the row of a problem, which is measured if it is not there."""
        if (name, budget) not in self.rows:
            self.rows[name, budget] = measured(name, budget, audited)
            if self.file is not None:
                with self.file.open("a", encoding="utf-8") as file:
                    print(json.dumps({"budget": budget, "row": asdict(self.rows[name, budget])}), file=file)
        return self.rows[name, budget]


def measured(name: str, budget: float, audited: bool = True) -> Row:
    """Return the row of one problem, whose estimate is infinite if there is none or it is not asked for."""
    problem = load_problem(name)
    solution = solve(problem, device="cpu", training={"budget_seconds": budget})
    started = time.process_time()
    with processor_limit(SECONDS):
        bound, steps = error_bound(problem, solution.model, CLOCK)
    seconds = time.process_time() - started
    words = steps[0] if bound is None else theorem_of(steps)
    true = solution.errors()["max_error"]
    estimate = solution.audit().error_estimate_max if audited else None
    return Row(name, len(problem.fields), true, math.inf if estimate is None else estimate, bound, seconds, words)


def patient_bound(problem: Problem, model: Model) -> Bound:
    """Return the bound of an error that a proof finds although other programs slow it down."""
    return error_bound(problem, model, CLOCK)


def theorem_of(steps: Sequence[str]) -> str:
    """Return the theorem in the lines of a proof."""
    return next(theorem for theorem in THEOREMS if theorem in " ".join(steps))


@contextmanager
def processor_limit(seconds: float) -> Iterator[None]:
    """Give up a proof after seconds of the processor."""

    def ring(number: int, frame: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def table(rows: Sequence[Row], budget: float, shorter: Mapping[float, Sequence[Row]]) -> list[str]:
    """Return the lines of the page."""
    single = [row for row in rows if row.fields == 1]
    proved, alone = ([row for row in each if row.bound is not None] for each in (rows, single))
    reasons = Counter(row.words for row in rows if row.bound is None)
    threads = f"OMP_NUM_THREADS={number} " if (number := os.environ.get("OMP_NUM_THREADS")) else ""
    return [
        "# Proved bounds of the error",
        "",
        f"Measured by `{threads}python benchmarks/bounds.py` on {os.cpu_count()} × {processor()}, torch "
        f"{torch.__version__}, float64; training until it converges, or {budget:.0f} seconds. Errors are largest "
        "absolute errors over all fields; the true one is measured on a grid. Seconds are those of the processor.",
        "",
        f"Proved for {len(alone)} of {len(single)} problems of one field, and for {len(proved) - len(alone)} of "
        f"{len(rows) - len(single)} systems; bounds below the true error: {sum(row.is_false for row in proved)}; "
        f"bounds of at most 1000 times the true error or 1e-10: {sum(row.is_close for row in proved)}; "
        f"slowest proof: {max(row.seconds for row in rows):.1f} s.",
        *map(line_of_budget, shorter.items()),
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|" + "---|" * len(COLUMNS),
        *map(line, rows),
        "",
        "| reason why there is no bound | problems |",
        "|---|---|",
        *(f"| {reason} | {count} |" for reason, count in reasons.most_common()),
    ]


def line_of_budget(found: tuple[float, Sequence[Row]]) -> str:
    """Return the line about solutions of a shorter training."""
    budget, rows = found
    proved = [row for row in rows if row.bound is not None]
    return (
        f"After {budget:g} seconds of training: proved for {len(proved)} of {len(rows)} problems, "
        f"bounds below the true error: {sum(row.is_false for row in proved)}."
    )


def line(row: Row) -> str:
    """Return a row of the table."""
    true = "–" if row.true is None else f"{row.true:.1e}"
    bound = "–" if row.bound is None else f"{row.bound:.1e}"
    ratio = f"{row.bound / row.true:.0f}" if row.bound is not None and row.true else "–"
    numbers = f"{row.fields} | {true} | {row.estimate:.1e} | {bound} | {ratio} | {row.seconds:.1f}"
    return f"| {row.problem} | {numbers} | {row.words} |"


def spoil(count: int, seed: int) -> None:
    """Measure spoiled solutions."""
    words = (
        "Solutions of manufactured problems with random numbers are spoiled by a change, of any size from 1e-13 to 1, "
        "of a coefficient, a knot, the prescribed values or the source. True errors are measured on a grid."
    )
    found = spoiled_solutions(patient_bound, count, seed)
    write_tried("spoiled.md", "Bounds of spoiled solutions", f"--spoiled {{}} --seed {seed}", words, found)


def manufacture(count: int, seed: int) -> None:
    """Measure solutions of random problems."""
    words = (
        "Every problem has an equation with random numbers and a random solution, from which sources and conditions "
        "follow; it is solved until it converges, or 8 seconds. True errors are measured on a grid."
    )
    found = manufactured_solutions(patient_bound, count, seed)
    write_tried(
        "manufactured.md", "Bounds of solutions of random problems", f"--random {{}} --seed {seed}", words, found
    )


def write_tried(file: str, title: str, options: str, words: str, tried: Iterator[Tried]) -> None:
    """Write a page on tried solutions again after each; their number is put into the `options` of the command."""
    found: list[Tried] = []
    for each in tried:
        found.append(each)
        print(line_of_tried(each), flush=True)
        command = f"python benchmarks/bounds.py {options.format(len(found))}"
        lines = [f"# {title}", "", f"Measured by `{command}`. {words}", *table_of_tried(found)]
        (FOLDER / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def line_of_tried(each: Tried) -> str:
    """Return the line of one solution, for the screen."""
    bound = "–" if each.bound is None else f"{each.bound:.2e}"
    return f"{each.case}, {each.kind}: true {each.true:.2e}, bound {bound}"


def table_of_tried(found: Sequence[Tried]) -> list[str]:
    """Return the count of false bounds, and a table by equations."""
    lines = []
    for case in dict.fromkeys(each.case for each in found):
        here = [each for each in found if each.case == case]
        ratios = sorted(each.bound / each.true for each in here if each.bound is not None and each.true)
        closest, middle = (f"{ratios[0]:.3f}", f"{ratios[len(ratios) // 2]:.3g}") if ratios else ("–", "–")
        false = sum(each.is_false for each in here)
        lines.append(f"| {case} | {len(here)} | {len(ratios)} | {false} | {closest} | {middle} |")
    return [
        "",
        f"Bounds below the true error: {sum(each.is_false for each in found)} of "
        f"{sum(each.bound is not None for each in found)}.",
        "",
        "| equation | solutions | proved | false | least bound / true | median bound / true |",
        "|---|---|---|---|---|---|",
        *lines,
    ]


def measure_rounding(names: Sequence[str], budget: float) -> None:
    """Write the table of bounds by the bits of numbers again after every problem that has a bound."""
    found: list[Rounded] = []
    for each in rounded_bounds(names or sorted({*discover(), *CASES}), budget):
        found.append(each)
        print(line_of_rounding(each), flush=True)
        (FOLDER / "rounding.md").write_text("\n".join(table_of_rounding(found, names)) + "\n", encoding="utf-8")


def table_of_rounding(found: Sequence[Rounded], names: Sequence[str]) -> list[str]:
    """Return the lines of the page on rounding."""
    large = [each for each in found if each.bound > SMALLEST]
    same = sum(each.is_same(each.bound) and each.is_same(each.balls[113]) for each in large)
    doubles, coarse = (sum(map(test, large)) for test in (
        lambda each: each.is_same(each.double), lambda each: each.is_same(each.balls[53])))  # fmt: skip
    theorems = len({theorem_of(each.steps) for each in found})
    return [
        "# How bounds depend on rounding",
        "",
        f"Measured by `{' '.join(['python benchmarks/bounds.py --bits', *names])}` on {processor()}, where proofs are "
        "made with numbers of 53 bits in pairs. Each is repeated on all cells with Arb's balls of 53, 113 and 200 bits "
        "in their place, and with single numbers of 53 bits. Problems with names in italics are manufactured. Those "
        f"with at most {LARGEST} coefficients are here, as far as balls take at most {PATIENCE:.0f} seconds.",
        "",
        f"{theorems} of {len(THEOREMS)} theorems. Of {len(large)} bounds above {SMALLEST:g}, {same} are the same to "
        "three digits with pairs of 53 bits and with balls of 113 and of 200 bits. Single numbers of 53 bits have "
        f"these digits for {doubles}, and balls of 53 bits for {coarse}.",
        "",
        "| problem | theorem | pairs of 53 bits | single, 53 bits | balls, 53 | balls, 113 | balls, 200 | same |",
        "|---|---|---|---|---|---|---|---|",
        *map(line_of_rounding, found),
    ]


def line_of_rounding(each: Rounded) -> str:
    """Return a row of the table of rounding."""
    numbers = " | ".join(f"{value:.4e}" for value in (each.bound, each.double, *each.balls.values()))
    same = "yes" if each.is_same(each.bound) and each.is_same(each.balls[113]) else "no"
    name = each.name if each.name in discover() else f"*{each.name}*"
    return f"| {name} | {theorem_of(each.steps)} | {numbers} | {same} |"


def draw(rows: Sequence[Row]) -> None:
    """Draw true errors, estimates and bounds, a line for each problem."""
    figure = new_figure(7.0, 0.26 * len(rows) + 1.2)
    axes = figure.add_subplot()
    style_axes(axes)
    places = range(len(rows), 0, -1)
    for place, row in zip(places, rows, strict=True):
        axes.plot([row.true, row.bound or row.true], [place, place], color=MUTED, linewidth=0.8, zorder=1)
    series = (("true", [r.true for r in rows]), ("estimated", [r.estimate for r in rows]),
              ("proved bound", [math.nan if r.bound is None else r.bound for r in rows]))  # fmt: skip
    for (label, values), color in zip(series, PALETTE, strict=False):
        axes.scatter(values, list(places), s=16, color=color, label=label, zorder=2)
    axes.set_xscale("log")
    axes.set_ylim(0, len(rows) + 1)
    axes.set_yticks(list(places), [row.problem for row in rows])
    axes.set_xlabel("largest absolute error")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
    write_figure(figure, FOLDER / "bounds.png")


if __name__ == "__main__":
    main()
