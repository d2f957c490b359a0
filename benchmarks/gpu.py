"""Measure kanpde on a GPU beside the processor and write results/gpu.md: tests, solutions, steps, what a step launches.

Run ``python benchmarks/gpu.py [--device cuda] [--budget 450] [--result FILE] [--parts tests,solutions]``. Each part
runs in a process of its own with a limit of time, so that a part that fails or hangs costs only its own rows; the page
is written again after every part. ``--device cpu`` runs the same with small sizes, to try the script without a GPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp
import torch
from torch.profiler import ProfilerActivity, profile

from kanpde import KAN, Box, Dirichlet, Problem, Solution, fit, load_problem, solve
from kanpde.bench.machine import processor
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import options
from kanpde.files import write_text
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.march_phase import Marching
from kanpde.training.phase import Phase
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 450.0  # seconds of all parts together
LARGE_SECONDS = 45.0  # budget of a training in a large space
LEAST_SECONDS = 5.0  # a part is not begun with less
# Float64 operations a second, in 10¹², of a product of matrices on the card (NVIDIA's data sheets), by its name.
RATES = {"H200": 67.0, "H100 PCIe": 51.0, "H100": 67.0, "A100": 19.5, "V100": 7.8}
# Events of the profiler's trace that copy between the processor and the card, and those that wait for the card.
COPIES = ("Memcpy HtoD", "Memcpy DtoH")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
READS = "aten::_local_scalar_dense"  # a number that Python reads from a tensor
TOP = 8  # operators shown of a profile

Row = tuple[object, ...]


class PoissonCube(Problem):
    """-Δu = 3π² sin πx sin πy sin πz on the unit cube."""

    domain = Box(x=(0, 1), y=(0, 1), z=(0, 1))

    def residual(self, u, x, y, z):  # type: ignore[no-untyped-def]
        waves = torch.sin(torch.pi * x) * torch.sin(torch.pi * y) * torch.sin(torch.pi * z)
        return u.xx + u.yy + u.zz + 3 * torch.pi**2 * waves

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"faces": Dirichlet(0)}

    def exact(self, x, y, z):  # type: ignore[no-untyped-def]
        return sp.sin(sp.pi * x) * sp.sin(sp.pi * y) * sp.sin(sp.pi * z)


class Peaks(Problem):
    """Poisson's equation on the unit cube with four narrow peaks, which need knots of their own."""

    domain = Box(x=(0, 1), y=(0, 1), z=(0, 1))
    source = "exact"

    def residual(self, u, x, y, z):  # type: ignore[no-untyped-def]
        return u.xx + u.yy + u.zz

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"faces": Dirichlet("exact")}

    def exact(self, x, y, z):  # type: ignore[no-untyped-def]
        middles = np.random.default_rng(3).uniform(0.2, 0.8, (4, 3)).tolist()
        squares = [(x - sp.Float(a)) ** 2 + (y - sp.Float(b)) ** 2 + (z - sp.Float(c)) ** 2 for a, b, c in middles]
        return sum(sp.exp(-200 * square) for square in squares)


@dataclass(frozen=True)
class Waves(Problem):
    """Poisson's equation on the unit square with `waves` half waves along each axis and a narrow peak."""

    domain = Box(x=(0, 1), y=(0, 1))
    source = "exact"
    waves: int = 120
    steepness: float = 30_000.0

    def residual(self, u, x, y):  # type: ignore[no-untyped-def]
        return u.xx + u.yy

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"sides": Dirichlet("exact")}

    def exact(self, x, y):  # type: ignore[no-untyped-def]
        square = (x - sp.Rational(1, 3)) ** 2 + (y - sp.Rational(2, 5)) ** 2
        waves = sp.sin(self.waves * sp.pi * x) * sp.sin(self.waves * sp.pi * y)
        return waves + sp.exp(-self.steepness * square)


# Parts ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A table of the page: its title, what it shows, its columns, its rows on a device, and its limit in seconds."""

    title: str
    words: str
    columns: tuple[str, ...]
    rows: Callable[[str], Iterator[Row]]
    seconds: float


def tested(device: str) -> Iterator[Row]:
    """Yield the last line of pytest on the tests marked `gpu`, and every test that failed."""
    marked = [str(file) for file in sorted((ROOT / "tests").glob("test_*.py")) if "mark.gpu" in file.read_text("utf-8")]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-rf", "-p", "no:cacheprovider", *marked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()] or done.stderr.splitlines() or ["no output"]
    yield (lines[-1].strip("= "),)
    for line in lines:
        if line.startswith(("FAILED", "ERROR")):
            yield (line,)


def solutions(device: str) -> Iterator[Row]:
    """Yield seconds, iterations and error of default runs on the processor and on the device."""
    small = device == "cpu"
    problems = [load_problem("poisson"), load_problem("heat"), PoissonCube(), load_problem("burgers", viscosity=0.02)]
    more = [] if small else [load_problem("heat_2d"), load_problem("wave")]
    training = {"budget_seconds": 0.5 if small else 12.0, "target": 1e-3 if small else 1e-9}
    for problem in problems[: 2 if small else None] + more:
        found = [solve(problem, device=each, training=training) for each in ("cpu", device)]
        seconds = [solution.record["seconds"] for solution in found]
        yield (
            problem.name,
            *(f"{each:.2f}" for each in seconds),
            f"{seconds[0] / seconds[1]:.2f}",
            *(solution.record["iterations"] for solution in found),
            *(error_of(solution) for solution in found),
            str(found[1].record["stopped_because"]).partition(":")[0],
        )


def error_of(solution: Solution) -> str:
    """Return the relative error of a solution in L2, or a dash."""
    error = solution.errors()["relative_l2"]
    return "–" if error is None else f"{error:.1e}"


def large(device: str) -> Iterator[Row]:
    """Yield seconds, unknowns and errors of large tensor products, on the device and then on the processor."""
    small = device == "cpu"
    waves = Waves(4, 50.0) if small else Waves()
    problems = {
        "2-D, waves and a peak": (waves, KAN(intervals=6 if small else 300), 6 if small else 130),
        "3-D, four peaks": (Peaks(), KAN(), 10),
    }
    training = {"target": 1e-3} if small else {"budget_seconds": LARGE_SECONDS}
    for name, (problem, network, first) in [*problems.items()][: 1 if small else None]:
        before: Run | None = None
        for at in (device, "cpu"):
            solve(problem, KAN(intervals=first), device=at, training={"budget_seconds": 0.1})  # loads the libraries
            run = solved(problem, network, at, training)
            yield (
                name,
                at,
                f"{run.training:.2f}",
                f"{run.after:.2f}",
                "–" if before is None else f"{run.training / before.training:.1f}",
                run.solution.history["parameters"][-1],
                " ".join(f"{each:.2f}" for each in run.steps),
                error_of(run.solution),
                f"{run.solution.error_estimate or 0.0:.1e}",
                run.solution.verdict,
                "–" if run.memory is None else f"{run.memory:.1f}",
            )
            before = run


@dataclass(frozen=True)
class Run:
    """A solution with the seconds of its training, of every step and after the training, and the most GB used."""

    solution: Solution
    training: float
    steps: list[float]
    after: float
    memory: float | None


def solved(problem: Problem, network: KAN, device: str, training: Mapping[str, object]) -> Run:
    """Return a run with its times."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    solution = solve(problem, network, device=device, training=training)
    whole = time.perf_counter() - started
    seconds = solution.history["seconds"]
    memory = None if device == "cpu" else torch.cuda.max_memory_allocated(device) / 1e9
    return Run(solution, seconds[-1], np.diff([0.0, *seconds]).tolist(), whole - seconds[-1], memory)


def steps(device: str) -> Iterator[Row]:
    """Yield milliseconds of a step of the march and of optimisers on networks, on the processor and on the device."""
    for name, make in makers(small=device == "cpu").items():
        here, there = (1e3 * seconds_of_step(make, each) for each in ("cpu", device))
        yield name, f"{here:.1f}", f"{there:.1f}", f"{here / there:.2f}"


def makers(*, small: bool) -> dict[str, Callable[[str], Phase]]:
    """Return functions from a device to a phase that is ready for its next step, by what the step is."""
    wide, points = (3, 200) if small else (24, 6000)
    intervals = 3 if small else 10

    def march(device: str) -> Phase:
        return phase(PoissonCube(), KAN(degree=5, intervals=intervals), device)

    def descent(method: str) -> Callable[[str], Phase]:
        stages = {"stages": [{"optimiser": method, "iterations": 10_000}], "max_parameters": 0, "warm_start": "none"}
        network, sampling = KAN(width=[wide], degree=5, intervals=8), {"interior": points, "boundary": 256}
        return lambda device: phase(load_problem("poisson"), network, device, stages, sampling)

    marched = {f"march, Poisson in 3-D, {intervals} intervals an axis": march}
    sizes = f"widths [2, {wide}, 1], {points} points"
    return marched | {f"{m}, {sizes}": descent(m) for m in ("gauss_newton", "krylov_gauss_newton", "soap", "adam")}


def phase(
    problem: Problem,
    network: KAN,
    device: str,
    training: Mapping[str, object] | None = None,
    sampling: Mapping[str, object] | None = None,
) -> Phase:
    """Return a training's phase that has begun."""
    settings = Settings(
        network=network,
        training=options(TrainingOptions, "training", training),
        sampling=options(SamplingOptions, "sampling", sampling),
        symbolic=SymbolicOptions(enabled=False),
        seed=0,
        device=device,
        dtype="float64",
    )
    found = Trainer(problem, settings).phase
    found.begin()
    return found


def seconds_of_step(make: Callable[[str], Phase], device: str) -> float:
    """Return the median seconds of a step after one that is not counted, of at most ten in about three seconds.

    Every step of a march is the first one of a new march, because later ones have other knots, or no new factor.
    """
    trained, seconds = make(device), list[float]()
    trained.advance()
    ends = time.perf_counter() + (0.3 if device == "cpu" else 3.0)
    while len(seconds) < 10 and (not seconds or time.perf_counter() < ends):
        trained = make(device) if isinstance(trained, Marching) else trained
        synchronise(device)
        started = time.perf_counter()
        trained.advance()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def synchronise(device: str) -> None:
    """Wait until the device has computed everything."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def algebra(device: str) -> Iterator[Row]:
    """Yield milliseconds and the rate of a product and a Cholesky factor in float64."""
    peak = rate_of(device)
    for size in (256,) if device == "cpu" else (2048, 4096, 8192, 16384):
        matrix = torch.rand(size, size, dtype=torch.float64, device=device)
        positive = matrix @ matrix.T + size * torch.eye(size, dtype=torch.float64, device=device)
        calls = {
            "product": (2 * size**3, lambda a=matrix: a @ a),
            "Cholesky factor": (size**3 / 3, lambda a=positive: torch.linalg.cholesky_ex(a)),
        }
        for name, (operations, call) in calls.items():
            seconds = seconds_of_call(call, device)
            rate = operations / seconds / 1e12
            share = "–" if peak is None else f"{100 * rate / peak:.0f} %"
            yield name, size, f"{1e3 * seconds:.2f}", f"{rate:.2f}", share


def seconds_of_call(call: Callable[[], object], device: str, repetitions: int = 5) -> float:
    """Return the least seconds of a call after one that warms the libraries up."""
    seconds = []
    for _ in range(repetitions + 1):
        synchronise(device)
        started = time.perf_counter()
        call()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def rate_of(device: str) -> float | None:
    """Return the card's float64 rate for products of matrices, in 10¹² operations a second, if it is known."""
    name = "" if device == "cpu" else torch.cuda.get_device_name(device)
    return next((rate for card, rate in RATES.items() if all(word in name for word in card.split())), None)


def fits(device: str) -> Iterator[Row]:
    """Yield seconds and errors of fits to samples of exp(sin πx + y²), on the processor and on the device."""
    small = device == "cpu"
    trainings = {
        "gauss_newton": (200 if small else 2000, {"optimiser": "gauss_newton", "iterations": 2 if small else 5}),
        "adam": (200 if small else 20_000, {"optimiser": "adam", "iterations": 10 if small else 200}),
    }
    for name, (count, stage) in trainings.items():
        x = np.random.default_rng(0).uniform(-1, 1, (count, 2))
        y = np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2)
        training = {"stages": [stage], "smoothness": 1e-6}
        models = [
            fit(x, y, KAN(width=[5], degree=3, intervals=5), device=at, training=training) for at in ("cpu", device)
        ]
        seconds = [float(model.record["seconds"]) for model in models]
        pairs = zip(seconds, models, strict=True)
        cells = [cell for t, model in pairs for cell in (f"{t:.2f}", f"{model.metrics(x, y)['rmse']:.1e}")]
        yield name, count, models[1].record["iterations"], *cells, f"{seconds[0] / seconds[1]:.2f}"


def profiles(device: str) -> Iterator[Row]:
    """Yield what the profiler counts in the second step of a march and of a descent."""
    activities = [ProfilerActivity.CPU] + ([] if device == "cpu" else [ProfilerActivity.CUDA])
    for name, make in [*makers(small=device == "cpu").items()][:2]:
        trained = make(device)
        trained.advance()
        synchronise(device)
        with profile(activities=activities) as seen:
            trained.advance()
            synchronise(device)
        events = seen.key_averages()

        def counted(*names: str, events: object = events) -> int:
            return sum(event.count for event in events if any(name in event.key for name in names))  # type: ignore[attr-defined]

        by_time = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
        ranked = sorted(events, key=lambda event: getattr(event, by_time), reverse=True)[:TOP]
        top = ", ".join(f"{short(event.key)} {getattr(event, by_time) / 1e3:.1f}" for event in ranked)
        launches = counted("cudaLaunchKernel", "cuLaunchKernel")
        yield name, launches, counted(*WAITS), counted(READS), counted(COPIES[0]), counted(COPIES[1]), top


def short(kernel: str) -> str:
    """Return the name of an operator or kernel without its types and arguments, of at most 40 characters."""
    name = re.split(r"[<(]", kernel.removeprefix("void "), maxsplit=1)[0].rpartition("::")[2] or kernel
    return f"aten::{name}" if kernel.startswith("aten::") else name[:40]


PARTS = {
    "tests": Part("Tests marked `gpu`", "The last line of pytest, and the tests that fail.", ("result",), tested, 150),
    "algebra": Part(
        "Float64 on the card",
        "The rate is also given as a share of the card's own for products of matrices, by its data sheet.",
        ("operation", "size", "ms", "10¹² operations/s", "share"),
        algebra,
        40,
    ),
    "large": Part(
        "Large tensor products",
        f"Poisson's equation with `training.budget_seconds={LARGE_SECONDS:.0f}`, solved by iteration. After the "
        "training come the network and the audit; GB is the most that the card's tensors needed.",
        (
            "problem",
            "on",
            "training s",
            "after it s",
            "CPU / device",
            "unknowns",
            "steps s",
            "error",
            "estimate",
            "verdict",
            "GB",
        ),
        large,
        140,
    ),
    "steps": Part(
        "One step",
        "The median of up to ten steps, in a march of first steps; a ratio above 1 says that the device is faster than "
        "the processor.",
        ("step", "CPU ms", "device ms", "CPU / device"),
        steps,
        110,
    ),
    "profile": Part(
        "What a step launches",
        "Counted by torch.profiler in one step. Waits are calls that wait for the card; reads are numbers that Python "
        "reads from a tensor. The operators are those with the most own time, in ms.",
        ("step", "kernels", "waits", "reads", "copies to the card", "copies back", "operators"),
        profiles,
        60,
    ),
    "fits": Part(
        "Fits on data",
        "Seconds of the training, and the root mean square of the misfit.",
        ("training", "samples", "steps", "CPU s", "misfit", "device s", "misfit", "CPU / device"),
        fits,
        60,
    ),
    "solutions": Part(
        "Default runs",
        "Training with `training.target=1e-9 training.budget_seconds=12` on the processor and on the device; the "
        "relative errors in L2 are measured on a grid that training does not use.",
        (
            "problem",
            "CPU s",
            "device s",
            "CPU / device",
            "CPU steps",
            "device steps",
            "CPU error",
            "device error",
            "end",
        ),
        solutions,
        170,
    ),
}


# The page ------------------------------------------------------------------------------------------------------------


def main() -> int:
    """Write the page after every part; return 0, 1 if a part failed, 2 if the device is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of all parts together")
    parser.add_argument("--result", type=Path, default=ROOT / "results" / "gpu.md")
    parser.add_argument("--parts", default=",".join(PARTS), help="names with commas between them")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)  # one part, in this process
    given = parser.parse_args()
    if given.device != "cpu" and not torch.cuda.is_available():
        print("no CUDA device here: nothing is measured; --device cpu runs the same with small sizes", file=sys.stderr)
        return 2
    if given.part:
        for row in PARTS[given.part].rows(given.device):
            print(line(row), flush=True)
        return 0
    ends, lines, failed = time.monotonic() + given.budget, heading(given.device), False
    given.result.parent.mkdir(parents=True, exist_ok=True)
    for name in given.parts.split(","):
        rows, complaint = measured(name, given.device, min(PARTS[name].seconds, ends - time.monotonic()))
        lines += table(PARTS[name], rows, complaint)
        failed = failed or complaint is not None
        print("\n".join([name, *rows, *([complaint] if complaint else [])]), flush=True)
        write_text(given.result, "\n".join(lines) + "\n")
    return int(failed)


def measured(name: str, device: str, seconds: float) -> tuple[list[str], str | None]:
    """Return the rows that a part's own process printed, and in one line why there are no more, if it failed."""
    if seconds < LEAST_SECONDS:
        return [], "was not measured: the budget is over"
    words = [sys.executable, __file__, "--device", device, "--part", name]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        try:
            process = subprocess.run(
                words, stdout=out, stderr=errors, timeout=seconds, check=False, env=os.environ | {"PYTHONPATH": paths}
            )
            status: int | None = process.returncode
        except subprocess.TimeoutExpired:
            status = None
        out.seek(0), errors.seek(0)
        rows = [each for each in out.read().splitlines() if each.startswith("|")]
        last = ([each.strip() for each in errors.read().splitlines() if each.strip()] or ["no message"])[-1]
    if status is None:
        return rows, f"stopped after {seconds:.0f} s"
    return rows, None if status == 0 else f"failed with status {status}: {last}"


def heading(device: str) -> list[str]:
    """Return the lines above the tables: the command that measured them, and the machine."""
    card = "no card" if device == "cpu" else f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    return [
        "# On a GPU, beside the processor",
        "",
        f"Measured by `python benchmarks/gpu.py --device {device}` with {card}, beside {os.cpu_count()} × {processor()}"
        f", torch {torch.__version__}, Python {platform.python_version()}, float64.",
    ]


def table(part: Part, rows: list[str], complaint: str | None) -> list[str]:
    """Return the lines of a part; a failure is its last line."""
    lines = ["", f"## {part.title}", "", part.words, "", line(part.columns), "|" + "---|" * len(part.columns), *rows]
    return lines if complaint is None else [*lines, "", f"This part {complaint}."]


def line(cells: Row) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
