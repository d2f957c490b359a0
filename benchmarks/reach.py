"""Measure what default settings reach on the problems that users bring: results/reach.md.

`python benchmarks/reach.py` runs all kinds, and `python benchmarks/reach.py corners: ball` only the rows in whose kind
or name one of these words occurs; the other rows stay. A row is written as soon as it ends.
"""

from __future__ import annotations

import ast
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import reach_problems as brought
import sympy as sp
import torch
from reach_problems import Case, T, X, Y, deviations, eigen, laplace, stated, unknown, velocity_error

from kanpde import Box, Disk, Ellipse, Implicit, load_problem, solve
from kanpde.bench.machine import processor
from kanpde.training import trainer

FOLDER = Path(__file__).resolve().parents[1] / "results"
RECORDS = FOLDER / "reach.json"
SHARE = 0.9  # of the seconds that training may take; the audit follows
ALLOWED = 0.05  # share of seeds whose error may be above the bar
PEERS = {"l_shape": 17, "heat": 27}  # lines of the shortest definition by a peer, DeepXDE's examples

COLUMNS = ("kind", "problem", "error", "bar", "estimate", "verdict", "s", "bar, s", "formula", "met")
ROOTS = {"disk": 2.404825557695773**2, "square": 2 * math.pi**2, "L-shape": 9.6397238440219, "string": 4 * math.pi**2}

Record = dict[str, Any]


def cases() -> Iterator[Case]:
    """Yield all rows."""

    def plain(kind: str, problems: Mapping[str, Any], error: float, seconds: float, **more: Any) -> Iterator[Case]:
        for name, problem in problems.items():
            yield Case(kind, name, lambda seed, problem=problem: problem(), error, seconds, **more)

    yield from plain("smooth", brought.SMOOTH, 1e-9, 30)
    yield from plain("corners", brought.CORNERS, 1e-8, 10)
    yield from plain("holes", brought.HOLES, 1e-6, 60)
    yield from plain("time and space", brought.IN_TIME, 1e-7, 60)
    for number, bar in ((100.0, 1e-6), (400.0, 1e-5), (1000.0, 1e-4)):
        one = {f"lid, Re = {number:.0f}": lambda number=number: brought.lid(number)}
        yield from plain("flow", one, bar, 300, measure=velocity_error(number))
    yield from plain("flow", {"vortices, Re = 100": lambda: load_problem("vortices")}, 1e-8, 60)
    yield from plain("materials", brought.MATERIALS, 1e-8, 30)
    for factor in (10.0, 0.1):
        problem, error = brought.one_scalar(factor), deviations(D=0.3)
        yield Case("inverse", f"one scalar, start × {factor:g}", problem, 3.0, 30, error, seeds=20)
    for factors in ((10.0, 10.0), (0.1, 10.0)):
        problem, error = brought.two_scalars(factors), deviations(a=0.15, b=0.4)
        yield Case("inverse", f"two scalars, starts × {factors}", problem, 3.0, 30, error, seeds=20)
    noisy = {"k(x), noise 1e-4": lambda: load_problem("conductivity")}
    yield from plain("inverse", noisy, 0.02, 30, measure=brought.conductivity)
    for name, tones in tunes().items():
        value = ROOTS[name.partition(",")[0]]
        bar = 1e-8 if "L-shape" in name else 1e-10
        yield from plain("eigenvalues", {name: tones}, bar, 60, measure=unknown("s", value))
    family = {"heat for all D": lambda: load_problem("heat_family")}
    yield from plain("parameter", family, 1e-8, 60, formula=True)
    yield from plain("formula", CLOSED, 1e-6, 60, formula=True)


def tunes() -> dict[str, Any]:
    """Return eigenvalue problems by the name of their root; the starts are rough."""
    return {
        "string, second": lambda: eigen(Box(x=(0, 1)), 35.0, brought.string),
        "disk": lambda: eigen(brought.DISK, 5.0),
        "square": lambda: eigen(Box(x=(0, 1), y=(0, 1)), 17.0),
        "L-shape": lambda: eigen(brought.L_SHAPE, 9.0),
    }


def bessel(order: int, wave: int) -> Any:
    """Return cos(order θ) J(wave r)."""
    radius = sp.sqrt(X**2 + Y**2)
    return sp.re(sp.expand((X + sp.I * Y) ** order)) / radius**order * sp.besselj(order, wave * radius)


def closed(domain: Any, exact: Any, square: int = 0, given: Any = None) -> Any:
    """Return a problem of Δu + square u = f whose solution is in the span of the search."""
    exact = exact.subs({X: sp.Symbol("x", real=True), Y: sp.Symbol("y", real=True)})

    def residual(u: Any) -> Any:
        return laplace(u) + square * u

    x, y = sp.symbols("x y", real=True)
    source = sp.simplify(sp.diff(exact, x, 2) + sp.diff(exact, y, 2) + square * exact)
    right = sp.lambdify((x, y), source, [{name: getattr(torch, name) for name in ("exp", "sin", "cos")}])
    full = residual if source == 0 else (lambda u, x, y: residual(u) - right(x, y))
    return lambda: stated(domain, full, exact, given)


def harmonic(order: int, imaginary: bool = False) -> Any:
    """Return Re or Im of (x + i y)^order."""
    return (sp.im if imaginary else sp.re)(
        sp.expand((sp.Symbol("x", real=True) + sp.I * sp.Symbol("y", real=True)) ** order)
    )


LOG = sp.log(X**2 + Y**2)
OVAL = Implicit(lambda x, y: x**4 + y**4 - 0.5, Box(x=(-1, 1), y=(-1, 1)))
CLOSED: dict[str, Any] = {
    "disk, r³ cos 3θ": closed(brought.DISK, harmonic(3)),
    "disk, r⁵ sin 5θ + 1": closed(brought.DISK, harmonic(5, imaginary=True) + 1),
    "disk, e^x cos y": closed(brought.DISK, brought.HARMONIC),
    "disk, 1 - r²": closed(brought.DISK, 1 - X**2 - Y**2),
    "disk, r⁴": closed(brought.DISK, (X**2 + Y**2) ** 2),
    "disk, J₀(3 r)": closed(brought.DISK, bessel(0, 3), 9),
    "disk, cos 2θ J₂(3 r)": closed(brought.DISK, bessel(2, 3), 9),
    "disk, cos θ J₁(4 r)": closed(brought.DISK, bessel(1, 4), 16),
    "disk, sin(x + 2 y)": closed(brought.DISK, sp.sin(X + 2 * Y)),
    "disk, exp(-r²)": closed(brought.DISK, sp.exp(-(X**2) - Y**2)),
    "disk off the origin": closed(Disk((2, 1), 1), harmonic(2)),
    "ellipse, x² - y²": closed(Ellipse((0, 0), (1, 0.5)), harmonic(2)),
    "ellipse, sin x sinh y": closed(Ellipse((0, 0), (1, 0.5)), sp.sin(X) * sp.sinh(Y)),
    "annulus, log r": closed(brought.RING, LOG / 2),
    "annulus, r² + log r": closed(brought.RING, X**2 + Y**2 + LOG / 2),
    "annulus, cos θ / r": closed(brought.RING, X / (X**2 + Y**2)),
    "annulus, (r² - r⁻²) sin 2θ": closed(brought.RING, 2 * X * Y * (1 - 1 / (X**2 + Y**2) ** 2)),
    "pentagon, e^x cos y": closed(brought.PENTAGON, brought.HARMONIC),
    "pentagon, x³ y": closed(brought.PENTAGON, X**3 * Y),
    "triangle, sin 2πx sin πy - sin πx sin 2πy": closed(brought.HALF, brought.LAME.subs(T, 0)),
    "triangle, wave": closed(brought.HALF, sp.cos(3 * X + 4 * Y), 25),
    "star, e^x cos y": lambda: load_problem("laplace_star"),
    "oval, J₀(2 r)": closed(OVAL, bessel(0, 2), 4),
    "oval, r⁴ cos 4θ": closed(OVAL, harmonic(4)),
    "box minus disk, e^x cos y": closed(brought.PIERCED, brought.HARMONIC),
    "box minus disk, log": closed(brought.PIERCED, sp.log((X - sp.S.Half) ** 2 + (Y - sp.S.Half) ** 2)),
    "four holes, charges": closed(brought.pierced(0.1), brought.CHARGES),
    "L-shape, r^(2/3) sin 2θ/3": lambda: load_problem("l_shape"),
    "L-shape, x² - y²": closed(brought.L_SHAPE, harmonic(2)),
    "sector, r^(1/3) sin θ/3": lambda: load_problem("sector"),
    "plate, clamped": lambda: load_problem("clamped_plate"),
    "ball, exp(-r²)": lambda: load_problem("poisson_ball"),
}


def main() -> None:
    """Run the chosen rows and write the page after each; budgets count the processor's seconds."""
    trainer.time = SimpleNamespace(monotonic=time.process_time)
    trainer.limited = lambda seconds: nullcontext()  # it rings by the clock on the wall
    words = sys.argv[1:]
    known = list(cases())
    for case in known:
        if not words or any(word in key(case) for word in words):
            found = measured(case)
            print(row(case, found), flush=True)
            records: dict[str, Record] = json.loads(RECORDS.read_text(encoding="utf-8")) if RECORDS.is_file() else {}
            records[key(case)] = found
            RECORDS.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
            page = table([(each, records[key(each)]) for each in known if key(each) in records])
            (FOLDER / "reach.md").write_text("\n".join(page) + "\n", encoding="utf-8")


def key(case: Case) -> str:
    """Return the name of a row's record."""
    return f"{case.kind}: {case.name}"


def measured(case: Case) -> Record:
    """Solve a case for all its seeds; errors and seconds are lists, and the rest is that of the last run."""
    errors, seconds = [], []
    for seed in range(case.seeds):
        started = time.process_time()
        settings = {"budget_seconds": SHARE * case.seconds}
        solution = solve(case.problem(seed), device="cpu", seed=0, training=settings)
        seconds.append(time.process_time() - started)
        errors.append(case.measure(solution) if case.measure else true_error(solution))
        if case.seeds > 1:
            print(f"  seed {seed}: {errors[-1]:.2g}, {solution.verdict}, {seconds[-1]:.1f} s", flush=True)
    formula = solution.symbolify() if case.formula else None
    return {
        "errors": errors,
        "seconds": seconds,
        "estimate": solution.error_estimate,
        "verdict": solution.verdict,
        "ended": solution.stopped_because,
        "formula": None if formula is None else formula.status,
        "text": None if formula is None else formula.text(),
    }


def true_error(solution: Any) -> float:
    """Return the relative error, NaN where no solution is known."""
    error = solution.errors()["relative_l2"]
    return math.nan if error is None else float(error)


def met(case: Case, record: Record) -> bool:
    """Return True if enough errors are within the bar, and the seconds, and if a wanted formula is proved."""
    errors = [record["estimate"] if math.isnan(error) else error for error in record["errors"]]
    within = sum(error <= case.error for error in errors) >= (1 - ALLOWED) * case.seeds
    return within and max(record["seconds"]) <= case.seconds and record["formula"] in (None, "proved")


def table(rows: Sequence[tuple[Case, Record]]) -> list[str]:
    """Return the lines of the page."""
    good = sum(met(*row) for row in rows)
    lines = ", ".join(f"{name} {lines_of(name)} ({most})" for name, most in PEERS.items())
    return [
        "# Problems that users bring",
        "",
        f"Measured by `python benchmarks/reach.py` on one thread of {os.cpu_count()} × {processor()}, torch "
        f"{torch.__version__}, float64, default settings, with {SHARE:.0%} of the bar's seconds as the budget of "
        "training. Other work ran on the machine, so that all seconds are the processor's; those of a row are of "
        "training and audit together. Errors are relative L² "
        "errors; of eigenvalues and of k(x), those of the unknown; of inverse problems, the errors of the constants in "
        "their standard deviations, and the number of seeds within the bar. Where no solution is known, the error is "
        "a dash, and the estimate is compared.",
        "",
        f"{good} of {len(rows)} rows meet their bars. Lines of a whole definition, beside those of DeepXDE's example: "
        f"{lines}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|" + "---|" * len(COLUMNS),
        *(row(*each) for each in rows),
    ]


def row(case: Case, record: Record) -> str:
    """Return the row of one case."""
    largest = max(record["errors"])
    error = "–" if math.isnan(largest) else f"{largest:.1e}"
    if case.seeds > 1:
        within = sum(error <= case.error for error in record["errors"])
        error = f"{sorted(record['errors'])[-2]:.2f}; {within} of {case.seeds}"
    estimate = "–" if record["estimate"] is None else f"{record['estimate']:.1e}"
    cells = [case.kind, case.name, error, f"{case.error:g}", estimate, record["verdict"]]
    cells += [f"{max(record['seconds']):.1f}", f"{case.seconds:g}", record["formula"] or ""]
    return f"| {' | '.join([*cells, 'yes' if met(case, record) else 'no'])} |"


def lines_of(name: str) -> int:
    """Return the number of lines of a shipped problem, without empty ones, comments and the docstring."""
    file = Path(__file__).resolve().parents[1] / "problems" / f"{name}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return sum(bool(line.strip()) for line in ast.unparse(ast.Module(tree.body[1:], [])).splitlines())


if __name__ == "__main__":
    main()
