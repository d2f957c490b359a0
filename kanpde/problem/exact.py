"""A problem's known solution: closed form or reference, its values, its gradient, and whether it solves the problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array, MultiIndex
from kanpde.calculus.expressions import PointFunction, function_of_points, real_expression, symbols
from kanpde.errors import ProblemError
from kanpde.geometry.domain import Draw, face_points, interior_points
from kanpde.problem.arguments import asked, call
from kanpde.problem.block import Block, Side
from kanpde.problem.declaration import Declaration
from kanpde.problem.field import Field

# An exact solution's residual is this small beside its terms, or beside the solution it is round-off.
_SMALL, _ROUND_OFF = 1e-8, 1e-12


def exact_functions(problem: Declaration) -> tuple[Any, ...] | None:
    """One SymPy expression a field, in real symbols named as the coordinates; None without a method ``exact``."""
    method = getattr(problem, "exact", None)
    if method is None:
        return None
    what, names = f"exact of {problem.name}", problem.domain.names
    wanted = asked(method, names, what)
    given = dict(zip(names, symbols(names), strict=True))
    result = call(method, {name: given[name] for name in wanted}, what)
    parts = _by_field(result, problem, what)
    return tuple(call(real_expression, {"value": part, "names": names}, what) for part in parts)


def _by_field(result: Any, problem: Declaration, what: str) -> list[Any]:
    """A solution given as one object, a tuple or a dict, as a list in the order of the fields."""
    if isinstance(result, Mapping):
        if set(result) != set(problem.fields):
            got = ", ".join(map(str, result))
            raise ProblemError(f"{what} expects the fields {', '.join(problem.fields)}, got {got}")
        return [result[name] for name in problem.fields]
    parts = list(result) if isinstance(result, (tuple, list)) else [result]
    if len(parts) != len(problem.fields):
        raise ProblemError(
            f"{what} expects {len(problem.fields)} solutions for {', '.join(problem.fields)}, got {len(parts)}"
        )
    return parts


def compiled(problem: Declaration, partial: MultiIndex = ()) -> list[PointFunction]:
    """A partial derivative of each exact solution, as functions of points; ProblemError without ``exact``."""
    expressions = exact_functions(problem)
    if expressions is None:
        raise ProblemError(f"{problem.name} expects a method exact for this, and has none; write it")
    return [function_of_points(e, problem.domain.names, partial) for e in expressions]


def exact_values(problem: Declaration, points: Array, partial: MultiIndex = ()) -> Array:
    """The exact solution, or a partial derivative of it, at points (n, d): (n, fields)."""
    inputs = torch.from_numpy(np.array(points, dtype=np.float64))
    return np.stack([f(inputs).numpy() for f in compiled(problem, partial)], axis=-1)


def exact_gradient(problem: Declaration, points: Array) -> Array:
    """The exact solution's first derivatives at points (n, d): (n, fields, d)."""
    axes = range(problem.domain.dimension)
    return np.stack([exact_values(problem, points, (axis,)) for axis in axes], axis=-1)


def reference_values(problem: Declaration, points: Array) -> Array | None:
    """The solution at points (n, d) from ``exact``, else from ``reference``: (n, fields); None with neither."""
    if getattr(problem, "exact", None) is not None:
        return exact_values(problem, points)
    method = getattr(problem, "reference", None)
    if method is None:
        return None
    what, names = f"reference of {problem.name}", problem.domain.names
    wanted = asked(method, names, what)
    columns = {name: np.array(points[:, names.index(name)], dtype=np.float64) for name in wanted}
    result = call(method, columns, what)
    # One array (n, fields) is taken too, where it can mean nothing else.
    if isinstance(result, np.ndarray) and result.shape == (len(points), len(problem.fields)):
        return np.array(result, dtype=np.float64)
    parts = [np.asarray(part, dtype=np.float64) for part in _by_field(result, problem, what)]
    for part in parts:
        if part.shape != (len(points),):
            raise ProblemError(f"{what} expects an array of shape ({len(points)},), got shape {part.shape}")
    return np.stack(parts, axis=-1)


def check_exact(problem: Declaration, blocks: Iterable[Block], count: int = 64) -> list[str]:
    """Return warnings, one for each block whose residual the exact solution does not make vanish.

    The residual's rms is measured against its rms when every term is off by up to a half, so that scales do not matter.
    Unknowns take the values that fit best; measured data are left out, for they may be noisy.
    """
    placed = [block for block in blocks if block.points is None]
    return [warning for block in placed for warning in _check_block(problem, block, count)]


def _check_block(problem: Declaration, block: Block, count: int) -> Iterator[str]:
    points, index = _sample(problem, block, count)
    functions = {p: compiled(problem, p) for looked_up in block.partials.values() for p in looked_up}
    images = block.images(torch.from_numpy(points))
    starts = np.array([float(v) for v in problem.unknowns.values()])

    def rows(unknowns: Array, noise: float = 0.0) -> Array:
        sides = tuple(_side(problem, functions, image, noise) for image in images)
        given = {n: torch.tensor(v, dtype=torch.float64) for n, v in zip(problem.unknowns, unknowns, strict=True)}
        return np.asarray(block.evaluate(sides, index, given).numpy().ravel(), dtype=np.float64)

    found = rows(starts)
    if not np.isfinite(found).all():
        yield f"the exact solution of {problem.name} gives numbers that are not finite in {block.name!r}"
        return
    if len(starts):
        starts = _fitted(rows, starts)
        found = rows(starts)
    inside = torch.from_numpy(interior_points(problem.domain, count, _unit()))
    size = max(_rms(f(inside).numpy()) for fs in functions.values() for f in fs)
    scale = _rms(rows(starts, noise=0.5))
    if _rms(found) > max(_SMALL * scale, _ROUND_OFF * size):
        yield (
            f"the exact solution of {problem.name} does not satisfy {block.name!r}: rms {_rms(found):.2g} "
            f"where the terms are about {scale:.2g}"
        )


def _fitted(rows: Callable[[Array], Array], starts: Array) -> Array:
    """The unknowns' least-squares values."""
    # SciPy's optimisers take long to import, and few problems have unknowns.
    from scipy.optimize import least_squares

    return np.asarray(least_squares(rows, starts, xtol=1e-15, ftol=1e-15, gtol=1e-15).x)


def _side(
    problem: Declaration, functions: Mapping[MultiIndex, list[PointFunction]], points: Tensor, noise: float
) -> Side:
    """The exact solution as fields; with noise, every partial is multiplied with random numbers around one."""
    random = np.random.default_rng(1)

    def field(i: int, name: str) -> Field:
        def lookup(partial: MultiIndex) -> Tensor:
            value = functions[partial][i](points)
            return value * torch.from_numpy(1 + noise * random.uniform(-1, 1, len(points))) if noise else value

        return Field(name, problem.domain.names, lookup)

    return Side(points, tuple(field(i, name) for i, name in enumerate(problem.fields)))


def _sample(problem: Declaration, block: Block, count: int) -> tuple[Array, Tensor | None]:
    """Points of a block, and which face each lies on."""
    domain = problem.domain
    if not block.faces:
        return interior_points(domain, count, _unit()), None
    each = count if domain.dimension > 1 else 1
    points = np.concatenate([face_points(domain, face, each, _unit()) for face in block.faces])
    return points, torch.arange(len(block.faces)).repeat_interleave(each)


def _unit() -> Draw:
    """Random points of the unit cube, every time the same."""
    generator = np.random.default_rng(0)
    return lambda count, dimension: generator.random((count, dimension))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
