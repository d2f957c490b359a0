"""A problem's own guess of its solution: where the iteration starts, or which of several solutions is meant."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, real_array
from kanpde.calculus.expressions import function_of_points, real_expression, symbols
from kanpde.errors import ProblemError
from kanpde.problem.arguments import asked, call
from kanpde.problem.block import Block, Side
from kanpde.problem.declaration import Declaration
from kanpde.problem.exact import by_field
from kanpde.problem.field import lookup

P = TypeVar("P", bound=Declaration)
Guess = Callable[[Tensor], Tensor]  # points (n, d) -> values (n, fields)


def guess_of(problem: Declaration) -> Guess | None:
    """Return the method ``guess`` as a function of points; None if the problem has none.

    It may use SymPy or NumPy: it is called with symbols first, and with arrays if that gives no expressions. Raises
    ProblemError if it fails with both, has unknown arguments, or returns other fields than the problem's.
    """
    method = getattr(problem, "guess", None)
    if method is None:
        return None
    what, names = f"guess of {problem.name}", problem.domain.names
    wanted = asked(method, names, what)
    given = dict(zip(names, symbols(names), strict=True))
    try:
        found = method(**{name: given[name] for name in wanted})
    except Exception:  # NumPy's functions refuse symbols in many ways
        return _of_arrays(method, wanted, problem, what)
    parts = by_field(found, problem, what)
    if not all(isinstance(part, (sp.Expr, int, float)) for part in parts):
        return _of_arrays(method, wanted, problem, what)
    expressions = [call(real_expression, {"value": part, "names": names}, what) for part in parts]
    functions = [function_of_points(expression, names) for expression in expressions]
    return lambda points: torch.stack([function(points) for function in functions], dim=-1)


class Named:
    """A function of points (n, d) as the method `guess` of a problem."""

    def __init__(self, function: Callable[[Array], Array], names: Sequence[str], fields: Sequence[str]) -> None:
        self.function, self.names, self.fields = function, tuple(names), tuple(fields)

    def __call__(self, **coordinates: Any) -> dict[str, Array]:
        """Return the fields by name; arrays only, so that symbols are refused."""
        points = np.stack([np.asarray(coordinates[name], dtype=np.float64) for name in self.names], axis=1)
        return dict(zip(self.fields, self.function(points).T, strict=True))


def with_guess(problem: P, function: Callable[[Array], Array]) -> P:
    """Return a copy of a problem whose guess is a function of points, (n, d) -> (n, fields)."""
    other = copy.copy(problem)
    object.__setattr__(other, "guess", Named(function, problem.domain.names, problem.fields))
    return other


def _of_arrays(method: Callable[..., Any], wanted: tuple[str, ...], problem: Declaration, what: str) -> Guess:
    names = problem.domain.names

    def evaluate(points: Tensor) -> Tensor:
        array: Array = points.detach().cpu().double().numpy()
        result = call(method, {name: array[:, names.index(name)].copy() for name in wanted}, what)
        parts = [call(real_array, {"given": part}, what) for part in by_field(result, problem, what)]
        for part in parts:
            if part.shape not in ((), (len(array),)):
                raise ProblemError(f"{what} expects arrays of shape ({len(array)},), got shape {part.shape}")
        return torch.as_tensor(np.stack([np.broadcast_to(part, len(array)) for part in parts], axis=1)).to(points)

    return evaluate


def guess_block(problem: Declaration) -> Block | None:
    """Return the block whose rows are the fields minus the guess; None if the problem has no guess."""
    guess = guess_of(problem)
    if guess is None:
        return None

    def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Any) -> Tensor:
        values = guess(sides[0].points)
        if not values.isfinite().all():
            raise ProblemError(f"guess of {problem.name} expects finite numbers, got {float(values.sum())}")
        return torch.stack([lookup(field)(()) for field in sides[0].fields[: len(problem.fields)]]) - values.T

    partials = {i: frozenset([()]) for i in range(len(problem.fields))}
    return Block("guess", "condition", problem.fields, (), partials, evaluate)
