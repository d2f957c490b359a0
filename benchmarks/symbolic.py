"""Solve the shipped problems and controls, read formulas off them, and write results/symbolic.md and .json.

    python benchmarks/symbolic.py --problems heat,poisson --seeds 0 --training 20 --search 60
    python benchmarks/symbolic.py --numbers --without structure,equation,refit,beam --surrogates grid,perceptron

`--numbers` adds a column in which conditions are given as numbers without a formula; `--without` and `--surrogates` add
one each in which a part is missing, or something else stands in the network's place. All options and one seed take
about half an hour on one core.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import sympy as sp
import torch

from kanpde import Box, Dirichlet, Initial, Neumann, Problem, load_problem, solve
from kanpde.bench.machine import describe_machine, machine
from kanpde.collocation.comparison import Comparison
from kanpde.problem.boundary_values import value_function
from kanpde.symbolic import search
from kanpde.symbolic.constants import fit
from kanpde.symbolic.families import separated
from kanpde.symbolic.symbolification import symbolify

sys.path.insert(0, str(Path(__file__).parent))
from surrogates import FiniteDifferences, Perceptron

RESULTS = Path(__file__).resolve().parents[1] / "results"
CLOSED = [
    *["heat", "poisson", "poisson_kan", "helmholtz", "wave", "advection", "heat_kernel", "advection_diffusion"],
    *["burgers_front", "kdv_soliton", "two_mode_diffusion", "poisson_sum", "poisson_quartic", "klein_gordon"],
    *["klein_gordon_3d", "allen_cahn_front", "fisher_front", "kovasznay", "taylor_green"],
]


class Torsion(Problem):
    """-(u_xx + u_yy) = 1 on a square: a series, no closed form."""

    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u):
        return u.xx + u.yy + 1

    def conditions(self):
        return {"boundary": Dirichlet(0)}


class Perturbed(Problem):
    """The Poisson problem with a source that is off by 1 %."""

    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        f = 2 * torch.pi**2 * torch.sin(torch.pi * x) * torch.sin(torch.pi * y)
        return u.xx + u.yy + f * (1 + 0.01 * torch.exp(-((x - 0.3) ** 2) - y))

    def conditions(self):
        return {"boundary": Dirichlet(0)}


class Variable(Problem):
    """Heat in a rod whose conductivity varies."""

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - (1 + x**2 / 2) * u.xx / 4 - x * u.x / 4

    def conditions(self):
        return {"start": Initial(sp.sin(sp.pi * sp.Symbol("x"))), "ends": Dirichlet(0, on="x")}


CONTROLS: dict[str, Callable[[], Problem]] = {
    "torsion": Torsion,
    "burgers": lambda: load_problem("burgers", viscosity=0.1),
    "perturbed": Perturbed,
    "variable": Variable,
    "allen_cahn": lambda: load_problem("allen_cahn"),
}


# Conditions as numbers ----------------------------------------------------------------------------------------------


def opaque(function: Callable[[torch.Tensor], torch.Tensor], names: tuple[str, ...]) -> Callable[..., torch.Tensor]:
    """The same values from code that nobody can read a formula from."""

    def value(**coordinates: torch.Tensor) -> torch.Tensor:
        points = torch.stack([coordinates[name] for name in names], dim=-1).detach().double().numpy()
        return torch.from_numpy(function(torch.from_numpy(points.copy())).numpy().copy())

    return value


def as_numbers(problem: Problem) -> Problem:
    """The problem with every value of a condition as numbers; a derivative's on the faces that one condition is on."""
    names = problem.domain.names

    def one(condition: Any, i: int) -> Any:
        partial, sign = (), 1
        if isinstance(condition, Initial):
            partial = condition.partial(problem) if isinstance(condition.value, str) else ()
        if isinstance(condition, Neumann) and isinstance(condition.value, str):
            (face,) = problem.domain.resolve(condition.on)
            partial, sign = (face.axis,), face.side
        known = value_function(condition.value, problem, i, partial)
        return dataclasses.replace(condition, value=opaque(lambda p: sign * known(p), names), field=problem.fields[i])

    def conditions(self: Problem) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, condition in problem.conditions().items():
            if not hasattr(condition, "value"):
                found[name] = condition
                continue
            for i in condition.field_indices(problem):
                found[f"{name}_{problem.fields[i]}"] = one(condition, i)
        return found

    return type(type(problem).__name__, (type(problem),), {"conditions": conditions})(**problem.parameters())


# What is left out, or stands in the network's place -----------------------------------------------------------------


@contextlib.contextmanager
def without(part: str) -> Iterator[None]:
    """The search without its tests of structure, what the equation says, its refits to the problem, or its beam."""
    whole = fit.LeastSquares.fit
    joint = search.joint
    patches = {
        "structure": [
            mock.patch.object(search, "reductions", lambda field: iter(())),
            mock.patch.object(search, "peeled", lambda field: iter(())),
            mock.patch.object(search, "two_waves", lambda field, bases: iter(())),
            mock.patch.object(separated, "ranks", lambda field: [(1,) * field.dimension]),
        ],
        "equation": [
            mock.patch.object(search.Hints, "general", lambda *a, **k: iter(())),
            mock.patch.object(search.Hints, "prefactors", lambda self: {}),
        ],
        "refit": [mock.patch.object(fit.LeastSquares, "fit", lambda *a, **k: whole(*a, **{**k, "rounds": 0}))],
        "beam": [mock.patch.object(search, "joint", lambda streams: itertools.islice(joint(streams), 1))],
        "": [],
    }[part]
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield


def surrogate(kind: str, problem: Problem, seed: int, seconds: float) -> Any:
    if kind == "grid":
        return FiniteDifferences(problem)
    if kind == "perceptron":
        return Perceptron(problem, seed, seconds)
    return solve(problem, seed=seed, training={"budget_seconds": seconds})


def read(solution: Any, seconds: float, seed: int, missing: str = "") -> dict[str, Any]:
    """What symbolify says of a solution, and how it compares with the truth."""
    start = time.monotonic()
    with without(missing):
        formula = symbolify(solution, budget_seconds=seconds, seed=seed)
    found = formula.relative_l2
    return {
        "status": formula.status,
        "seconds": round(time.monotonic() - start, 2),
        "expression": str(formula) if formula.expressions else None,
        "relative_l2": found,
        "true": found is not None and found < 1e-9,
    }


def row(name: str, seed: int, settings: argparse.Namespace) -> dict[str, Any]:
    """One problem and seed: every column that was asked for."""
    problem = load_problem(name) if name in CLOSED else CONTROLS[name]()
    found: dict[str, Any] = {"problem": name, "seed": seed, "columns": {}}

    def column(title: str, kind: str = "network", missing: str = "", given: Problem = problem) -> None:
        if kind == "network" and given is problem and "solution" in known:
            solution = known["solution"]
        else:
            solution = surrogate(kind, given, seed, settings.perceptron if kind == "perceptron" else settings.training)
        if kind == "network" and given is problem:
            known["solution"] = solution
        entry = read(solution, settings.search if title == "formulas" else settings.others, seed, missing)
        entry["error"], entry["estimated"] = Comparison(given).relative_l2(solution.evaluate), solution.estimate
        found["columns"][title] = entry

    known: dict[str, Any] = {}
    column("formulas")
    if settings.numbers:
        column("numbers", given=as_numbers(problem))
    for missing in settings.without:
        column(f"without {missing}", missing=missing)
    for kind in settings.surrogates:
        column(kind, kind)
    return found


# The tables ---------------------------------------------------------------------------------------------------------

MEANINGS = {
    "formulas": "the library as it is",
    "numbers": "as it is, but conditions are numbers, about which SymPy can prove nothing: the best status is numeric",
    "without structure": "no tests for symmetries, outer functions, ranks and waves: products of functions of one axis",
    "without equation": "nothing but the final refit and the proof knows the equation",
    "without refit": "constants stay as they were fitted to the solution, which is good to many digits itself",
    "without beam": "the first proposal alone",
    "grid": "finite differences of second order in the network's place",
    "perceptron": "a perceptron of 3 x 32 tanh in the network's place",
}


def written(rows: list[dict[str, Any]], settings: argparse.Namespace) -> None:
    """Both files, from all rows so far."""
    found = {"command": settings.command, "machine": machine(), "rows": rows}
    (RESULTS / "symbolic.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    titles = list(dict.fromkeys(title for entry in rows for title in entry["columns"]))
    lines = [
        "# Formulas read off solutions",
        "",
        f"`{settings.command}` on {describe_machine(machine())}.",
        "",
        f"{settings.training:g} s of training at most ({settings.perceptron:g} s for a perceptron), "
        f"{settings.search:g} s of search and proof at most ({settings.others:g} s in all columns but the first). "
        "*proved*: SymPy showed that the equation and all conditions hold. *true*: the formula is the exact solution "
        "to nine digits. *median seconds*: of the search and the proof, over the problems with a closed form. "
        "*controls* have no closed form: nothing may be proved there.",
        "",
        "| column | what it is | closed forms proved | true | median seconds | median error | controls proved |",
        "|---|---|---|---|---|---|---|",
        *(summary(title, rows) for title in titles),
        "",
        *(f"* {sentence}" for title in titles[1:] for sentence in said(title, rows)),
    ]
    for title in titles:
        lines += ["", f"## {title}: {MEANINGS[title]}", ""]
        lines += ["*error*: the solution's relative L2 error; *estimated*: what the search took it for.", ""]
        lines += ["| problem | seed | error | estimated | status | true | seconds | formula |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        lines += [line(entry, entry["columns"][title]) for entry in rows if title in entry["columns"]]
    (RESULTS / "symbolic.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def columns(title: str, rows: list[dict[str, Any]], among: Collection[str]) -> dict[tuple[str, int], dict[str, Any]]:
    """(problem, seed) -> entry of one column."""
    chosen = [r for r in rows if r["problem"] in among and title in r["columns"]]
    return {(r["problem"], r["seed"]): r["columns"][title] for r in chosen}


def summary(title: str, rows: list[dict[str, Any]]) -> str:
    closed, controls = [*columns(title, rows, CLOSED).values()], [*columns(title, rows, CONTROLS).values()]
    seconds = f"{statistics.median(e['seconds'] for e in closed):.1f}" if closed else ""
    error = f"{statistics.median(e['error'] for e in closed):.1e}" if closed else ""
    proved, refuted = (sum(e["status"] == "proved" for e in part) for part in (closed, controls))
    true = sum(e["true"] for e in closed)
    counts = f"{proved}/{len(closed)} | {true}/{len(closed)}"
    return f"| {title} | {MEANINGS[title]} | {counts} | {seconds} | {error} | {refuted}/{len(controls)} |"


def said(title: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    """What a column shows beside the first one."""
    whole, other = columns("formulas", rows, CLOSED), columns(title, rows, CLOSED)
    lost = [key for key, e in other.items() if whole[key]["true"] and not e["true"]]
    won = [key for key, e in other.items() if e["true"] and not whole[key]["true"]]
    both = [key for key, e in other.items() if e["true"] and whole[key]["true"]]
    parts = [f"{word} {_named(keys)}" for word, keys in (("loses", lost), ("gains", won)) if keys]
    yield f"**{title}** {' and '.join(parts) or 'loses and gains no true formula'}" + (
        f"; where both find it, the median is {_median(other, both):.1f} s, {_median(whole, both):.1f} s in the first."
        if both
        else "."
    )


def _median(entries: dict[tuple[str, int], dict[str, Any]], keys: list[tuple[str, int]]) -> float:
    return statistics.median(entries[key]["seconds"] for key in keys)


def _named(keys: list[tuple[str, int]]) -> str:
    names = list(dict.fromkeys(name for name, _ in keys))
    return f"{len(keys)} of the true formulas ({', '.join(names)})"


def line(entry: dict[str, Any], column: dict[str, Any]) -> str:
    error = "" if column["error"] is None else f"{column['error']:.1e}"
    formula = (column["expression"] or "").replace("|", "\\|").replace("\n", "; ")
    shown = f"`{formula if len(formula) <= 160 else formula[:157] + '...'}`" if formula else ""
    return (
        f"| {entry['problem']} | {entry['seed']} | {error} | {column['estimated']:.1e} | {column['status']} | "
        f"{'yes' if column['true'] else 'no'} | {column['seconds']:.1f} | {shown} |"
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def listed(text: str) -> list[str]:
        return [word for word in text.split(",") if word]

    words.add_argument("--problems", type=listed, default=[*CLOSED, *CONTROLS])
    words.add_argument("--seeds", type=lambda text: [int(word) for word in listed(text)], default=[0])
    words.add_argument("--training", type=float, default=30.0, help="seconds")
    words.add_argument("--search", type=float, default=60.0, help="seconds")
    words.add_argument("--others", type=float, default=10.0, help="seconds of search in all columns but the first")
    words.add_argument("--perceptron", type=float, default=10.0, help="seconds of training of a perceptron")
    words.add_argument("--numbers", action="store_true")
    words.add_argument("--without", type=listed, default=[], help="structure,equation,refit,beam")
    words.add_argument("--surrogates", type=listed, default=[], help="grid,perceptron")
    settings = words.parse_args()
    settings.command = " ".join(["benchmarks/symbolic.py", *sys.argv[1:]])
    RESULTS.mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = []
    # The first search of a process takes longer: what it imports and compiles is there for all others.
    read(solve(load_problem("heat"), training={"budget_seconds": 5}), 10, 0)
    for name, seed in itertools.product(settings.problems, settings.seeds):
        rows.append(row(name, seed, settings))
        print(line(rows[-1], rows[-1]["columns"]["formulas"]), flush=True)
        written(rows, settings)


if __name__ == "__main__":
    main()
