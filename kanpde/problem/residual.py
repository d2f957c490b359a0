"""Make a block of a user's residual: match its arguments by name, find its rows and the partials it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.errors import ProblemError, short
from kanpde.geometry.domain import Face, face_points, interior_points
from kanpde.problem.arguments import asked, call
from kanpde.problem.block import Block, Side
from kanpde.problem.declaration import Declaration
from kanpde.problem.field import Field, values
from kanpde.problem.parts import coefficient

_POINTS = 7  # of the trial call; unlike usual numbers of fields or coordinates, so that a wrong shape is detected

Arguments = Callable[[Side, Mapping[str, Tensor]], dict[str, Any]]
Record = list[dict[MultiIndex, Tensor]]


def residual_block(
    function: Callable[..., Any],
    problem: Declaration,
    name: str,
    *,
    kind: str,
    faces: tuple[Face, ...] = (),
    weight: float = 1.0,
    hard: bool = False,
) -> Block:
    """Return the block function(fields, coordinates, unknowns) = 0; one trial call finds its partials and its rows.

    Raises ProblemError for unknown arguments or partials, if a row does not have the shape (n,), or if the function
    raises an exception.
    """
    what = f"the residual of {problem.name}" if kind == "residual" else "its residual"
    arguments = arguments_of(function, problem, what)
    side, record = trial_side(problem, faces)
    unknowns = {key: torch.tensor(float(start), dtype=torch.float64) for key, start in problem.constants.items()}
    with torch.enable_grad():
        result = call(function, arguments(side, unknowns), what)
    components = tuple(_named_rows(result, name, what, side.points))
    partials = {i: frozenset(looked_up) for i, looked_up in enumerate(record)}
    if not any(record[: len(problem.fields)] if kind == "residual" else record):
        raise ProblemError(f"{what} depends on none of the fields {', '.join(problem.fields)}; an equation must")
    if not any(row.requires_grad for row in _rows(result)):
        raise ProblemError(
            f"{what} expects tensors that torch can differentiate by the fields, got none; leave out detach and numpy"
        )

    def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
        result = call(function, arguments(sides[0], unknowns), what)
        _named_rows(result, name, what, sides[0].points)
        return torch.stack(_rows(result))

    return Block(name, kind, components, faces, partials, evaluate, weight=weight, hard=hard)


def arguments_of(function: Callable[..., Any], problem: Declaration, what: str) -> Arguments:
    """Return the function that maps a side and the unknowns to the arguments that a user's function asks for."""
    names, fields, constants = problem.domain.names, problem.quantities, problem.constants
    known = dict.fromkeys((*problem.fields, *names, *problem.unknowns, *problem.coefficients))
    wanted = asked(function, known, what)
    by_field = [(name, fields.index(name)) for name in wanted if name in fields]
    by_axis = [(name, names.index(name)) for name in wanted if name in names]
    by_name = [name for name in wanted if name in constants]
    by_part = [(name, coefficient(problem, name)) for name in wanted if name in problem.coefficients]

    def arguments(side: Side, unknowns: Mapping[str, Tensor]) -> dict[str, Any]:
        given: dict[str, Any] = {name: side.fields[i] for name, i in by_field}
        given.update((name, side.points[..., axis]) for name, axis in by_axis)
        given.update((name, unknowns[name]) for name in by_name)
        given.update((name, value(side)) for name, value in by_part)
        return given

    return arguments


def trial_side(problem: Declaration, faces: tuple[Face, ...]) -> tuple[Side, Record]:
    """Return a side of random points and field values, and the record of the partials that are looked up."""
    random = np.random.default_rng(0)
    domain = problem.domain

    def draw(count: int, dimension: int) -> Array:
        return random.random((count, dimension))

    points = face_points(domain, faces[0], _POINTS, draw) if faces else interior_points(domain, _POINTS, draw)
    record: Record = [{} for _ in problem.quantities]

    def field(i: int, name: str) -> Field:
        def lookup(partial: MultiIndex) -> Tensor:
            if partial not in record[i]:
                # The values are positive, so that roots and logarithms of the field are defined.
                record[i][partial] = torch.from_numpy(random.uniform(0.5, 1.5, _POINTS)).requires_grad_()
            return record[i][partial]

        return Field(name, domain.names, lookup)

    side = Side(torch.from_numpy(points), tuple(field(i, name) for i, name in enumerate(problem.quantities)))
    return side, record


def _rows(result: Any) -> list[Tensor]:
    if isinstance(result, dict):
        return [values(row) for row in result.values()]
    return [values(row) for row in result] if isinstance(result, (tuple, list)) else [values(result)]


def _named_rows(result: Any, name: str, what: str, points: Tensor) -> list[str]:
    """Return the rows' names; raise ProblemError if a row is not a tensor (n,) on the device of the points (n, d)."""
    rows, shape = _rows(result), points.shape[:-1]
    if not rows:
        raise ProblemError(f"{what} expects at least one tensor of shape (n,), got {short(result)}")
    for row in rows:
        if not isinstance(row, Tensor):
            raise ProblemError(f"{what} expects tensors of shape (n,), got {short(row)} of type {type(row).__name__}")
        if row.shape != shape or not row.is_floating_point():
            raise ProblemError(
                f"{what} expects real tensors of shape (n,), one number for each point, here {tuple(shape)}; got shape "
                f"{tuple(row.shape)} of {row.dtype}; leave out sums and means over the points"
            )
        if row.device != points.device:
            raise ProblemError(
                f"{what} expects tensors on {points.device}, where the coordinates are, got one on {row.device}; leave "
                "out copies such as .cpu()"
            )
    if isinstance(result, dict):
        return [str(key) for key in result]
    return [name] if len(rows) == 1 else [f"{name}_{i}" for i in range(1, len(rows) + 1)]
