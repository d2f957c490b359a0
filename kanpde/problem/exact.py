"""Evaluate a problem's exact or reference solution, and check that the exact solution satisfies the problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex, real_array
from kanpde.calculus.expressions import PointFunction, function_of_points, real_expression, symbols
from kanpde.errors import ProblemError
from kanpde.geometry.domain import Draw, face_measure, face_points, interior_points
from kanpde.geometry.integration import integration
from kanpde.problem.arguments import asked, call
from kanpde.problem.block import Block, Side
from kanpde.problem.declaration import Declaration
from kanpde.problem.field import Field

_RESIDUAL_TOLERANCE = 1e-8  # largest residual of an exact solution, relative to the residual's terms
_INTEGRATED = 4096  # points of an integral of an exact solution
_ROUND_OFF_TOLERANCE = 1e-12  # residual that counts as round-off, relative to the solution and its partials


def exact_functions(problem: Declaration) -> tuple[Any, ...] | None:
    """Return one SymPy expression for each field, in real symbols named as the coordinates; None without ``exact``.

    Raises ProblemError if ``exact`` fails, has unknown arguments, or returns other fields than the problem's.
    """
    found = exact_quantities(problem)
    return None if found is None else tuple(found[name] for name in problem.fields)


def exact_quantities(problem: Declaration) -> dict[str, Any] | None:
    """Return the expressions of the fields, and of the unknown functions that ``exact`` names in its dict."""
    method = getattr(problem, "exact", None)
    if method is None:
        return None
    what, names = f"exact of {problem.name}", problem.domain.names
    wanted = asked(method, names, what)
    given = dict(zip(names, symbols(names), strict=True))
    result = call(method, {name: given[name] for name in wanted}, what)
    functions = {}
    if isinstance(result, Mapping):
        functions = {name: result[name] for name in problem.quantities[len(problem.fields) :] if name in result}
        result = {name: part for name, part in result.items() if name not in functions}
    parts = dict(zip(problem.fields, by_field(result, problem, what), strict=True))
    return {n: call(real_expression, {"value": e, "names": names}, what) for n, e in {**parts, **functions}.items()}


def by_field(result: Any, problem: Declaration, what: str) -> list[Any]:
    """Return a solution given as one object, a tuple or a dict as a list in the order of the fields."""
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


def point_functions(problem: Declaration, partial: MultiIndex = ()) -> list[PointFunction]:
    """Return a partial of each exact solution as a function of points; raise ProblemError without ``exact``."""
    expressions = exact_functions(problem)
    if expressions is None:
        raise ProblemError(f"{problem.name} expects a method exact for this, and has none; write it")
    return [function_of_points(e, problem.domain.names, partial) for e in expressions]


def exact_values(problem: Declaration, points: Array, partial: MultiIndex = ()) -> Array:
    """Return the exact solution, or a partial derivative of it, at points (n, d): (n, fields)."""
    inputs = torch.from_numpy(np.array(points, dtype=np.float64))
    return np.stack([f(inputs).numpy() for f in point_functions(problem, partial)], axis=-1)


def exact_gradient(problem: Declaration, points: Array) -> Array:
    """Return the exact solution's first derivatives at points (n, d): (n, fields, d)."""
    axes = range(problem.domain.dimension)
    return np.stack([exact_values(problem, points, (axis,)) for axis in axes], axis=-1)


def reference_values(problem: Declaration, points: Array) -> Array | None:
    """Return the solution at points (n, d) from ``exact``, else from ``reference``: (n, fields); None with neither.

    Raises ProblemError if the method fails or returns another shape.
    """
    if getattr(problem, "exact", None) is not None:
        return exact_values(problem, points)
    method = getattr(problem, "reference", None)
    if method is None:
        return None
    what, names = f"reference of {problem.name}", problem.domain.names
    wanted = asked(method, names, what)
    columns = {name: np.array(points[:, names.index(name)], dtype=np.float64) for name in wanted}
    result = call(method, columns, what)
    # One array (n, fields) is accepted too, because its meaning is clear.
    whole = isinstance(result, np.ndarray) and result.shape == (len(points), len(problem.fields))
    columns_of_fields = result.T if whole else by_field(result, problem, what)
    parts = [call(real_array, {"given": each}, what) for each in columns_of_fields]
    for part in parts:
        if part.shape != (len(points),):
            raise ProblemError(f"{what} expects an array of shape ({len(points)},), got shape {part.shape}")
    return np.stack(parts, axis=-1)


def check_exact(problem: Declaration, blocks: Iterable[Block], count: int = 64) -> list[str]:
    """Return one warning for each block that the exact solution does not satisfy.

    The rms of the residual is compared with its rms after a random relative change of every partial by at most 1/2, so
    the check does not depend on units. Unknowns take their least-squares values. Measured data are not checked, because
    they may be noisy, and rows with unknown functions are not, because these have no values.
    """
    sampled = [block for block in blocks if block.points is None and not block.functions]
    return [warning for block in sampled for warning in _check_block(problem, block, count)]


def _check_block(problem: Declaration, block: Block, count: int) -> Iterator[str]:
    points, index, total = _sample(problem, block, count)
    functions = {p: point_functions(problem, p) for looked_up in block.partials.values() for p in looked_up}
    images = block.images(torch.from_numpy(points))
    starts = np.array([float(v) for v in problem.constants.values()])

    def rows(unknowns: Array, noise: float = 0.0) -> Array:
        sides = tuple(_side(problem, functions, image, noise) for image in images)
        given = {n: torch.tensor(v, dtype=torch.float64) for n, v in zip(problem.constants, unknowns, strict=True)}
        return total(np.asarray(block.evaluate(sides, index, given).numpy(), dtype=np.float64)).ravel()

    found = rows(starts)
    if not np.isfinite(found).all():
        yield f"the exact solution of {problem.name} gives numbers that are not finite in {block.name!r}"
        return
    if len(starts):
        starts = _fit_unknowns(rows, starts)
        found = rows(starts)
    inside = torch.from_numpy(interior_points(problem.domain, count, _random_points()))
    size = max(_rms(f(inside).numpy()) for fs in functions.values() for f in fs)
    scale = _rms(rows(starts, noise=0.5))
    if _rms(found) > max(_RESIDUAL_TOLERANCE * scale, _ROUND_OFF_TOLERANCE * size):
        yield (
            f"the exact solution of {problem.name} does not satisfy {block.name!r}: rms {_rms(found):.2g} "
            f"where the terms are about {scale:.2g}"
        )


def _fit_unknowns(rows: Callable[[Array], Array], starts: Array) -> Array:
    """Return the least-squares values of the unknowns."""
    # Imported here, because SciPy's optimisers are slow to import and few problems have unknowns.
    from scipy.optimize import least_squares

    return np.asarray(least_squares(rows, starts, xtol=1e-15, ftol=1e-15, gtol=1e-15).x)


def _side(
    problem: Declaration, functions: Mapping[MultiIndex, list[PointFunction]], points: Tensor, noise: float
) -> Side:
    """Return the exact solution as fields; every partial is multiplied by random numbers in [1 - noise, 1 + noise]."""
    random = np.random.default_rng(1)

    def field(i: int, name: str) -> Field:
        def lookup(partial: MultiIndex) -> Tensor:
            value = functions[partial][i](points)
            return value * torch.from_numpy(1 + noise * random.uniform(-1, 1, len(points))) if noise else value

        return Field(name, problem.domain.names, lookup)

    return Side(points, tuple(field(i, name) for i, name in enumerate(problem.fields)))


def _sample(problem: Declaration, block: Block, count: int) -> tuple[Array, Tensor | None, Callable[[Array], Array]]:
    """Return points of a block, the index of each one's face, and the function of values at them that are its rows."""
    domain = block.within(problem.domain)
    if block.integrated:
        free = np.delete(np.arange(domain.dimension), block.integrated)
        unit = _random_points()(8 if len(free) else 1, len(free))
        others = domain.low[free] * (1 - unit) + domain.high[free] * unit
        whole = integration(domain, block.faces, block.integrated, others, _INTEGRATED)
        return whole.points, None if whole.index is None else torch.as_tensor(whole.index), whole.total
    if not block.faces:
        return interior_points(domain, count, _random_points()), None, lambda values: values
    each = [count if domain.dimension > 1 else round(face_measure(domain, face)) for face in block.faces]
    parts = [face_points(domain, face, n, _random_points()) for face, n in zip(block.faces, each, strict=True)]
    index = torch.arange(len(each)).repeat_interleave(torch.tensor(each))
    return np.concatenate(parts), index, lambda values: values


def _random_points() -> Draw:
    """Return a source of random points of the unit cube, always the same ones."""
    generator = np.random.default_rng(0)
    return lambda count, dimension: generator.random((count, dimension))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
