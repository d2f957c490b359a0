"""Random problems made by the method of manufactured solutions, whose bounds are compared with true errors.

Every equation is one of `spoiled.CASES` with random numbers, and its solution has one to three random terms, products
of functions of one coordinate each, added to the known one. Sources and conditions follow.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kanpde.bench.spoiled import CASES, SECONDS, USUAL, Case, Proof, Tried, true_error
from kanpde.problem.conditions import Periodic
from kanpde.problem.problem import Problem
from kanpde.training.trainer import solve

MOST_TERMS = 3
FUNCTIONS = (
    "cos({a}*{x} + {b})",
    "exp({a}*{x})",
    "(1 + {a}*{x})^2",
    "1/(3 + {a}*{x})",
    "tanh({a}*{x} - {b})",
    "sqrt(3 + {a}*{x})",
)  # of a coordinate between 0 and 1, for |a| and |b| of at most 2


def manufactured_solutions(
    proof: Proof, count: int, seed: int = 0, names: tuple[str, ...] = tuple(CASES)
) -> Iterator[Tried]:
    """Yield bounds and true errors of solutions of `count` random problems, in turns of the cases."""
    random = np.random.default_rng(seed)
    for number in range(count):
        name = names[number % len(names)]
        problem = random_problem(CASES[name], random)
        model = solve(problem, device="cpu", training={"budget_seconds": SECONDS}).model
        bound, _ = proof(problem, model)
        yield Tried(name, "random", true_error(problem, model), bound)


def random_problem(case: Case, random: np.random.Generator) -> Problem:
    """Return a problem with the equation of a case, random numbers in it, and a random solution."""
    numbers = {key: round(value * float(random.uniform(0.5, 1.5)), 2) for key, value in USUAL.items()}
    terms = [_term(case, random) for _ in range(int(random.integers(1, MOST_TERMS + 1)))]
    return case.problem(numbers, " + ".join(terms))


def _term(case: Case, random: np.random.Generator) -> str:
    """Return a number times a function of every coordinate."""
    around = {kind.axis for kind in case.conditions.values() if isinstance(kind, Periodic)}
    factors = [_function(name, name in around, random) for name in case.domain.names]
    return "*".join([f"({random.uniform(-0.3, 0.3):.3f})", *factors])


def _function(name: str, periodic: bool, random: np.random.Generator) -> str:
    """Return a function of one coordinate, with period one if that is asked for."""
    if periodic:
        return f"{random.choice(['sin', 'cos'])}(2*pi*{random.integers(1, 4)}*{name})"
    a, b = (f"({value:.2f})" for value in random.uniform(-2, 2, 2))
    return str(random.choice(FUNCTIONS)).format(a=a, b=b, x=name)
