"""Solutions that are spoiled on purpose, and their true errors, to look for a proved bound below the true error.

The problems are manufactured: an equation of every class that has a theorem, with random numbers, and a known solution.
A solution is spoiled by a change of one coefficient of its network, of one knot, of the prescribed values or of the
source; where the problem changes, its solution is known too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kanpde.calculus.expressions import numpy_function
from kanpde.calculus.jets import JetPlan
from kanpde.geometry.box import Box
from kanpde.network.enclosure import spline_basis
from kanpde.network.trial_function import Model
from kanpde.problem.conditions import Dirichlet, Initial, Neumann, Periodic, Robin
from kanpde.problem.from_text import problem_from
from kanpde.problem.problem import Problem
from kanpde.training.trainer import solve

GRIDS = {1: 2001, 2: 201, 3: 31}  # points along each axis at which true errors are measured
ROOM = 1 + 1e-9  # of the true error, which is rounded too
SECONDS = 8.0  # of training


@dataclass(frozen=True)
class Case:
    """Equations, their domain, their solution and their conditions; {a}, {b}, {c} and {d} are numbers."""

    equation: str | tuple[str, ...]
    domain: Box
    exact: str | dict[str, str]
    conditions: dict[str, Any]

    def problem(self, numbers: dict[str, float], more: str = "0") -> Problem:
        """Return the problem with these numbers whose solution is the known one plus `more`, in every field."""
        every = self.exact if isinstance(self.exact, dict) else {"u": self.exact}
        exact = {name: f"{text.format(**numbers)} + {more}" for name, text in every.items()}
        rows = [self.equation] if isinstance(self.equation, str) else self.equation
        return problem_from(
            [row.format(**numbers) for row in rows] if len(rows) > 1 else rows[0].format(**numbers),
            domain=self.domain,
            conditions=self.conditions,
            exact=exact if len(exact) > 1 else exact["u"],
            source="exact",
        )


ROD, SQUARE, LINE = Box(x=(0, 1), t=(0, 0.5)), Box(x=(0, 1), y=(0, 1)), Box(x=(0, 1))
PLANE = Box(x=(0, 1), y=(0, 1), t=(0, 0.3))
START, REST = {"start": Initial("exact")}, {"velocity": Initial("exact", order=1)}
EDGE = {"edge": Dirichlet("exact")}
ENDS, INFLOW = {**START, "ends": Dirichlet("exact", on="x")}, {**START, "left": Dirichlet("exact", on="x-")}
LEFT, RIGHT = {"left": Neumann("exact", on="x-")}, {"right": Robin(2.0, 0.5, "exact", on="x+")}
CIRCLE, LOOP = {**START, "circle": Periodic("x", order=1)}, {**START, "circle": Periodic("x", order=0)}
FREE = {"right": Neumann("exact", on="x+")}
FALLING, CLOSED = "exp(-{c}*t)*cos({d}*x)", "exp(-{c}*t)*(1 + cos(2*pi*x)/{d})"
PAIR = {"u": FALLING, "v": "sin(x + {c}*t)"}
PAIRED = {
    f"{kind}_{f}": condition
    for f in "uv"
    for kind, condition in (("start", Initial("exact", field=f)), ("ends", Dirichlet("exact", on="x", field=f)))
}
SADDLE, RISING = "cos({d}*x + y) + {c}*x*y", "exp(-{c}*t) + {d}*t"

CASES: dict[str, Case] = {
    "heat": Case("(1 + t/2)*u_t = {a}*u_xx + {b}*u_x - {c}*u", ROD, FALLING, ENDS),
    "allen_cahn": Case("u_t = {a}*u_xx + {b}*(u - u^3)", ROD, FALLING, ENDS),
    "burgers": Case("u_t + u*u_x = {a}*u_xx", ROD, FALLING, ENDS),
    "slopes": Case("u_t = {a}*u_xx + {b}*u - u_x", ROD, FALLING, {**START, **LEFT, **RIGHT}),
    "circle": Case("u_t = {a}*u_xx + {b}*u - u_x", ROD, CLOSED, CIRCLE),
    "transport": Case("u_t + (1 + x*t)*{a}*u_x = {b}*sin(u)", ROD, FALLING, INFLOW),
    "loop": Case("u_t - {a}*u_x = {b}*u^2", ROD, CLOSED, LOOP),
    "population": Case("u_t = {b}*u*(1 - u)", Box(t=(0, 1)), RISING, START),
    "pendulum": Case("u_tt = -{b}*sin(u)", Box(t=(0, 1)), RISING, {**START, **REST}),
    "klein_gordon": Case("u_tt = {a}*u_xx - {b}*u^3", ROD, FALLING, {**ENDS, **REST}),
    "string": Case("u_tt = {a}*u_xx + {b}*u", ROD, FALLING, {**INFLOW, **REST, **FREE}),
    "ring": Case("u_tt = {a}*u_xx + {b}*u", ROD, CLOSED, {**CIRCLE, **REST}),
    "damped": Case("u_tt + {b}*u_t = {a}*u_xx", ROD, FALLING, {**ENDS, **REST}),
    "membrane": Case(
        "u_tt = {a}*(u_xx + u_yy) - {b}*u", PLANE, "cos(x + {d}*t)*exp(-{c}*y)", {**START, **REST, **EDGE}
    ),
    "cooling plate": Case("u_t = {a}*(u_xx + u_yy) + {b}*u", PLANE, "cos(x + {d}*y)*exp(-{c}*t)", {**START, **EDGE}),
    "poisson": Case("-(1 + x^2/4)*u_xx - {a}*u_yy + {b}*u_x + {c}*u = 0", SQUARE, SADDLE, EDGE),
    "cubic": Case("-u_xx - {a}*u_yy + {b}*u^3 + u = 0", SQUARE, SADDLE, EDGE),
    "flux": Case(
        "-u_xx - {a}*u_yy + {b}*u_x = 0",
        SQUARE,
        SADDLE,
        {"edge": Dirichlet("exact", on="x-"), "walls": Neumann("exact", on="y"), **RIGHT},
    ),
    "insulated": Case("-{a}*u_xx + u = 0", LINE, "cos({d}*x) + {c}*x", {"ends": Neumann("exact")}),
    "resonant": Case("u_xx + {a}*u_yy + 60*u = 0", SQUARE, SADDLE, EDGE),
    "exponential": Case("u_xx + {a}*u_yy + exp(u) = 0", SQUARE, SADDLE, EDGE),
    "reactions": Case(("u_t = {a}*u_xx + u^2*v - {b}*u", "v_t = {c}*v_xx - u^2*v"), ROD, PAIR, PAIRED),
    "surface": Case("(1 + u_y^2)*u_xx - 2*u_x*u_y*u_xy + (1 + u_x^2)*u_yy = {b}", SQUARE, SADDLE, EDGE),
}
USUAL = {"a": 0.7, "b": 0.8, "c": 0.6, "d": 1.3}


@dataclass(frozen=True)
class Tried:
    """One spoiled solution: its case, what was spoiled, its true error and its bound, None if there is none."""

    case: str
    kind: str
    true: float
    bound: float | None

    @property
    def is_false(self) -> bool:
        return self.bound is not None and self.true > ROOM * self.bound


def true_error(problem: Problem, model: Model) -> float:
    """Return the largest error of all fields on a grid with the ends, for a problem with a known solution."""
    domain = problem.domain
    axes = [np.linspace(a, b, GRIDS[domain.dimension]) for a, b in zip(domain.low, domain.high, strict=True)]
    points = np.stack([c.ravel() for c in np.meshgrid(*axes, indexing="ij")], axis=1)
    values = model.jets_at(torch.as_tensor(points), JetPlan(domain.dimension, [()]))[:, 0].numpy()
    functions = problem.exact_functions()
    assert functions is not None, "a true error needs a known solution"
    exact = [numpy_function(function, domain.names)(*points.T) for function in functions]
    return max(float(np.abs(own - known).max()) for own, known in zip(values.T, exact, strict=True))


Proof = Callable[[Problem, Model], tuple[float | None, tuple[str, ...]]]


def spoiled_solutions(
    proof: Proof, count: int, seed: int = 0, each: int = 12, names: tuple[str, ...] = tuple(CASES)
) -> Iterator[Tried]:
    """Yield `count` spoiled solutions, `each` of one computed solution, in turns of the cases.

    ``proof(problem, model)`` returns the bound of the error that is tried, such as `marching.audit.bound.error_bound`.
    """
    random = np.random.default_rng(seed)
    for number in range(-(-count // each)):
        name = names[number % len(names)]
        numbers = {key: round(value * float(random.uniform(0.5, 1.5)), 2) for key, value in USUAL.items()}
        model = solve(CASES[name].problem(numbers), device="cpu", training={"budget_seconds": SECONDS}).model
        for turn in range(min(each, count - number * each)):
            kind = list(KINDS)[turn % len(KINDS)]
            problem, changed = KINDS[kind](CASES[name], numbers, model, random)
            bound, _ = proof(problem, changed)
            yield Tried(name, kind, true_error(problem, changed), bound)


Spoiling = Callable[[Case, dict[str, float], Model, np.random.Generator], tuple[Problem, Model]]


def with_coefficient(
    case: Case, numbers: dict[str, float], model: Model, random: np.random.Generator
) -> tuple[Problem, Model]:
    """Change a coefficient of the first layer."""
    changed = copy.deepcopy(model)
    with torch.no_grad():
        flat = changed.network.first.coefficients.view(-1)
        flat[random.choice(flat.nonzero().flatten().numpy())] += size(random)
    return case.problem(numbers), changed


def with_knot(
    case: Case, numbers: dict[str, float], model: Model, random: np.random.Generator
) -> tuple[Problem, Model]:
    """Move a knot inside, if there is any."""
    changed = copy.deepcopy(model)
    basis = spline_basis(changed.network.first)
    knots, k = basis.knots.double().numpy().copy(), basis.degree
    axis = int(random.integers(len(knots)))
    inner = np.arange(k + 1, knots.shape[1] - k - 1)
    if len(inner) and not basis.periodic[axis]:
        place = int(random.choice(inner))
        knots[axis, place] += min(0.4, abs(size(random))) * (knots[axis, place + 1] - knots[axis, place])
        basis.set_knots(knots, uniform=False)
    return case.problem(numbers), changed


def with_values(
    case: Case, numbers: dict[str, float], model: Model, random: np.random.Generator
) -> tuple[Problem, Model]:
    """Change the prescribed values, and the source as far as it depends on the value of u."""
    return case.problem(numbers, f"({size(random)!r})"), model


def with_source(
    case: Case, numbers: dict[str, float], model: Model, random: np.random.Generator
) -> tuple[Problem, Model]:
    """Change the source by a function that leaves values and slopes on all faces as they are."""
    ends = zip(case.domain.names, case.domain.low, case.domain.high, strict=True)
    bump = "*".join(f"({4 / (b - a) ** 2!r}*({name} - ({a!r}))*({b!r} - {name}))^2" for name, a, b in map(plain, ends))
    return case.problem(numbers, f"({size(random)!r})*{bump}"), model


def plain(end: tuple[str, Any, Any]) -> tuple[str, float, float]:
    """Return the name and the ends of an axis as Python's numbers."""
    name, low, high = end
    return name, float(low), float(high)


def size(random: np.random.Generator) -> float:
    """Return a change of any size and sign."""
    return float(10 ** random.uniform(-13, 0) * random.choice([-1, 1]))


KINDS: dict[str, Spoiling] = {
    "a coefficient": with_coefficient,
    "a knot": with_knot,
    "the values": with_values,
    "the source": with_source,
}
