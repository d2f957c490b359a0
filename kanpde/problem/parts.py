"""The parts of a problem's domain, and the coefficients that differ among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from kanpde.errors import ProblemError, nearest, short
from kanpde.geometry.partition import REST
from kanpde.problem.block import Side
from kanpde.problem.boundary_values import value_function
from kanpde.problem.declaration import Declaration
from kanpde.problem.unknown_function import Function

MOST_COORDINATES = 3  # of a domain with parts, because only a march solves on them


def coefficient(problem: Declaration, name: str) -> Callable[[Side], Tensor]:
    """Return a coefficient as a function of a side: its values (n,) in the side's part, or in that of each point."""
    partition = problem.partition
    assert partition is not None
    values = {part: value_function(problem.coefficients[name][part], problem) for part in partition.parts}

    def evaluate(side: Side) -> Tensor:
        if side.part is not None:
            return values[side.part](side.points)
        numbers = partition.part_of(side.points)
        return torch.stack([values[part](side.points) for part in partition.parts]).gather(0, numbers[None])[0]

    return evaluate


def check_parts(problem: Declaration) -> None:
    """Raise ProblemError if the parts, or the coefficients' names and values, are not as they must be."""
    parts, coefficients = problem.parts, problem.coefficients
    if not isinstance(parts, Mapping):
        raise ProblemError(f"expected parts as a dict name -> shape, got {short(parts)}")
    if not isinstance(coefficients, Mapping):
        raise ProblemError(f"expected coefficients as a dict name -> part -> value, got {short(coefficients)}")
    for name in parts:
        if not isinstance(name, str) or not name.isidentifier() or name == REST:
            raise ProblemError(f"expected a plain word other than {REST} as the name of a part, got {name!r}")
    if problem.partition is None:
        if coefficients:
            raise ProblemError(f"expected parts beside the coefficients {', '.join(coefficients)}, got none")
        return
    if problem.domain.dimension > MOST_COORDINATES:
        raise ProblemError(
            f"a domain with parts expects at most {MOST_COORDINATES} coordinates, got {problem.domain.dimension}"
        )
    if getattr(problem, "guess", None) is not None:
        raise ProblemError("a domain with parts expects no guess, got one; leave it out")
    for name, start in problem.unknowns.items():
        if isinstance(start, Function):
            raise ProblemError(f"a domain with parts expects numbers as unknowns, got the function {name}")
    taken = {
        **dict.fromkeys(problem.unknowns, "an unknown"),
        **dict.fromkeys(problem.domain.names, "a coordinate"),
        **dict.fromkeys(problem.fields, "a field"),
    }
    for name, values in coefficients.items():
        if not isinstance(name, str) or not name.isidentifier() or name == "d":
            raise ProblemError(f"expected a plain word other than d as the name of a coefficient, got {name!r}")
        if name in taken:
            raise ProblemError(f"coefficient {name!r} expects a name of its own, got that of {taken[name]}; rename it")
        check_values(name, values, problem)


def check_values(name: str, values: Any, problem: Declaration) -> None:
    """Raise ProblemError if a coefficient has no value in a part, or one in a part that does not exist."""
    assert problem.partition is not None
    known = problem.partition.parts
    if not isinstance(values, Mapping):
        example = ", ".join(f"{part!r}: 1.0" for part in known)
        raise ProblemError(f"coefficient {name!r} expects a value for each part, {{{example}}}, got {short(values)}")
    for part in known:
        if part not in values:
            raise ProblemError(f"coefficient {name!r} expects a value in the part {part!r}, got none; add it")
    for part, value in values.items():
        if part not in known and part != REST:
            raise ProblemError(f"coefficient {name!r} has a value in an unknown part {part!r}; {nearest(part, known)}")
        try:
            value_function(value, problem)
        except ProblemError as error:
            raise ProblemError(f"coefficient {name!r} in the part {part!r}: {error}") from error
