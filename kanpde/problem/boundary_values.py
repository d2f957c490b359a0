"""Convert prescribed values to functions of points: numbers, callables of coordinates, SymPy expressions, "exact"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanpde.calculus import forward_mode
from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.expressions import PointFunction, function_of_points
from kanpde.errors import ProblemError, short
from kanpde.geometry.domain import Face, face_points
from kanpde.problem.arguments import asked, call
from kanpde.problem.declaration import Declaration
from kanpde.problem.exact import exact_quantities

ValueFunction = PointFunction
LARGEST = 1e150  # of prescribed values and rows, because their squares must be finite


def value_function(value: Any, problem: Declaration, field_index: int = 0, partial: MultiIndex = ()) -> ValueFunction:
    """Return the function points (n, d) -> (n,) of a value, or one of the function's partial derivatives.

    Expressions are differentiated by SymPy, callables by automatic differentiation. Any dtype and device is accepted.
    Raises ProblemError if the value is not of one of the four kinds.
    """
    if isinstance(value, (str, sp.Expr, int, float, np.number)):
        return function_of_points(_expression(value, problem, field_index), problem.domain.names, partial)
    if isinstance(value, (Tensor, np.ndarray)) and value.ndim == 0:
        return value_function(float(value), problem, field_index, partial)
    if callable(value):
        return _differentiate(_function_of_points(value, problem.domain.names), partial)
    raise ProblemError(
        "expected a number, a callable of coordinates, a SymPy expression or 'exact' as the value, "
        f"got {short(value)} of type {type(value).__name__}"
    )


def _expression(value: Any, problem: Declaration, field_index: int) -> Any:
    if not isinstance(value, str):
        return value
    if value != "exact":
        raise ProblemError(f"the only word for a value is 'exact', got {value!r}; write formulas as SymPy expressions")
    exact, name = exact_quantities(problem), problem.quantities[field_index]
    if exact is None:
        raise ProblemError(f"the value 'exact' needs a method exact, and {problem.name} has none; write one")
    if name not in exact:
        raise ProblemError(f"the value 'exact' of {name} needs it in the dict that exact returns; name it there")
    return exact[name]


def _function_of_points(function: Callable[..., Any], names: tuple[str, ...]) -> ValueFunction:
    wanted = [(name, names.index(name)) for name in asked(function, names, "the value's function")]

    def evaluate(points: Tensor) -> Tensor:
        result = call(function, {name: points[..., axis] for name, axis in wanted}, "the value's function")
        if isinstance(result, (int, float)):
            return points.new_full(points.shape[:-1], result)
        if not isinstance(result, Tensor):
            raise ProblemError(f"expected a torch tensor, got {type(result).__name__}; use torch functions")
        if result.is_complex():
            raise ProblemError(f"expected real numbers of the value's function, got {result.dtype}")
        if result.ndim and result.shape != points.shape[:-1]:
            raise ProblemError(f"expected shape (n,) = {tuple(points.shape[:-1])}, got shape {tuple(result.shape)}")
        return result.to(points).expand(points.shape[:-1])

    return evaluate


def _differentiate(function: ValueFunction, partial: MultiIndex) -> ValueFunction:
    if not partial:
        return function

    def derivative(points: Tensor) -> Tensor:
        if not forward_mode.engine():
            return forward_mode.partial(function, points, partial)
        with torch.enable_grad():
            inputs = points.detach().clone().requires_grad_(True)
            result = function(inputs)
            for axis in partial:
                if not result.requires_grad:
                    return torch.zeros_like(inputs[..., 0]).detach()
                (gradient,) = torch.autograd.grad(result.sum(), inputs, create_graph=True, materialize_grads=True)
                result = gradient[..., axis]
        return result.detach()

    return derivative


def check_value(function: ValueFunction, problem: Declaration, faces: tuple[Face, ...]) -> None:
    """Evaluate a value at points of every face; raise ProblemError if it fails, has a wrong shape or is not finite."""
    random = np.random.default_rng(0)
    domain = problem.domain
    for face in faces:
        points = face_points(domain, face, 8, lambda count, dimension: random.random((count, dimension)))
        found = call(function, {"points": torch.from_numpy(points)}, "the value's function")
        bad = ~(found.abs() <= LARGEST)
        if bad.any():
            where = ", ".join(f"{n}={c:.4g}" for n, c in zip(domain.names, points[int(bad.nonzero()[0])], strict=True))
            raise ProblemError(
                f"expected finite values on {face.name}, below {LARGEST:.0e}, got {float(found[bad][0])} at {where}"
            )
