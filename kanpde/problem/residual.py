"""From a residual written by a user to a block: its arguments by name, its rows, and the partials it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array, MultiIndex
from kanpde.errors import ProblemError
from kanpde.geometry.domain import Face, face_points, interior_points
from kanpde.problem.arguments import asked, call
from kanpde.problem.block import Block, Side
from kanpde.problem.declaration import Declaration
from kanpde.problem.field import Field, values

# A trial's number of points: unlike any number of fields or coordinates, so that a wrong shape shows.
_TRIAL = 7

_Arguments = Callable[[Side, Mapping[str, Tensor]], dict[str, Any]]
_Record = list[dict[MultiIndex, Tensor]]


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
    """The block of ``function(fields, coordinates, unknowns)``, which is tried once to see what it needs and gives.

    Raises ProblemError for unknown arguments or partials, for rows that have not the shape (n,), and for whatever the
    function raises.
    """
    what = f"the residual of {problem.name}" if kind == "residual" else "its residual"
    arguments = _arguments(function, problem, what)
    side, record = _trial(problem, faces)
    unknowns = {key: torch.tensor(float(start), dtype=torch.float64) for key, start in problem.unknowns.items()}
    result = call(function, arguments(side, unknowns), what)
    components = tuple(_named_rows(result, name, what))
    partials = {i: frozenset(looked_up) for i, looked_up in enumerate(record)}
    if not any(record):
        raise ProblemError(f"{what} depends on none of the fields {', '.join(problem.fields)}; an equation must")

    def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
        return torch.stack(_rows(function(**arguments(sides[0], unknowns))))

    return Block(name, kind, components, faces, partials, evaluate, weight=weight, hard=hard)


def _arguments(function: Callable[..., Any], problem: Declaration, what: str) -> _Arguments:
    names, fields = problem.domain.names, problem.fields
    wanted = asked(function, (*fields, *names, *problem.unknowns), what)
    by_field = [(name, fields.index(name)) for name in wanted if name in fields]
    by_axis = [(name, names.index(name)) for name in wanted if name in names]
    by_name = [name for name in wanted if name in problem.unknowns]

    def arguments(side: Side, unknowns: Mapping[str, Tensor]) -> dict[str, Any]:
        given: dict[str, Any] = {name: side.fields[i] for name, i in by_field}
        given.update((name, side.points[..., axis]) for name, axis in by_axis)
        given.update((name, unknowns[name]) for name in by_name)
        return given

    return arguments


def _trial(problem: Declaration, faces: tuple[Face, ...]) -> tuple[Side, _Record]:
    """A side of random points with fields of random values, and the record of the partials that are looked up there."""
    random = np.random.default_rng(0)
    domain = problem.domain

    def draw(count: int, dimension: int) -> Array:
        return random.random((count, dimension))

    points = face_points(domain, faces[0], _TRIAL, draw) if faces else interior_points(domain, _TRIAL, draw)
    record: _Record = [{} for _ in problem.fields]

    def field(i: int, name: str) -> Field:
        def lookup(partial: MultiIndex) -> Tensor:
            if partial not in record[i]:
                # Positive, so that roots and logarithms of the field pass the trial.
                record[i][partial] = torch.from_numpy(random.uniform(0.5, 1.5, _TRIAL))
            return record[i][partial]

        return Field(name, domain.names, lookup)

    side = Side(torch.from_numpy(points), tuple(field(i, name) for i, name in enumerate(problem.fields)))
    return side, record


def _rows(result: Any) -> list[Tensor]:
    if isinstance(result, dict):
        return [values(row) for row in result.values()]
    return [values(row) for row in result] if isinstance(result, (tuple, list)) else [values(result)]


def _named_rows(result: Any, name: str, what: str) -> list[str]:
    """The rows' names, after a check that each is a tensor of shape (n,)."""
    rows = _rows(result)
    if not rows:
        raise ProblemError(f"{what} expects at least one tensor of shape (n,), got {result!r}")
    for row in rows:
        if not isinstance(row, Tensor):
            raise ProblemError(f"{what} expects tensors of shape (n,), got {row!r} of type {type(row).__name__}")
        if row.shape != (_TRIAL,) or not row.is_floating_point():
            raise ProblemError(
                f"{what} expects real tensors of shape (n,), one number a point: ({_TRIAL},) for {_TRIAL} points; got "
                f"shape {tuple(row.shape)} of {row.dtype}; leave out sums and means over the points"
            )
    if isinstance(result, dict):
        return [str(key) for key in result]
    return [name] if len(rows) == 1 else [f"{name}_{i}" for i in range(1, len(rows) + 1)]
