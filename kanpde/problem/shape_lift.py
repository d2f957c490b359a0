"""Hard conditions on shapes: u = lift + factor N with a smooth function φ for every face, zero on it alone.

Each φ belongs to the formula of a face: a line, a circle, an ellipse, a sphere, an end of time, or the function of an
implicit shape. A face of several pieces has their product, so that the factor, the product over all faces, vanishes
where a condition holds and nowhere inside (Rvachev, Sheiko, Shapiro and Tsukanov, Adv. Comput. Math. 15 (2001) 3). The
lift of faces i with different values g_i is transfinite interpolation,

    lift = Σ_i g_i w_i,   w_i = Π_{j≠i} φ_j / Σ_k Π_{j≠k} φ_j,

which is smooth if these faces do not meet; one value on all faces is the lift itself.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanpde.calculus import jets
from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.expressions import symbols
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ProblemError
from kanpde.geometry.curves import Arc, Segment
from kanpde.geometry.domain import Face, face_points
from kanpde.geometry.piece import End, Part, Piece
from kanpde.geometry.shape import Shape
from kanpde.geometry.surfaces import Cap, Side, Sphere, Swept
from kanpde.problem.arguments import call
from kanpde.problem.boundary_values import ValueFunction, value_function
from kanpde.problem.problem import Problem

SAMPLES = 2048  # points inside and on every face at which the functions of faces are tested
NEAR = 1e-2  # share of a function's largest value below which another face is taken to meet its own
ZERO = 1e-9  # the same share that is zero
TOUCHING = 0.02  # share of another face's points where a function is zero that may be corners

Partials = Callable[[MultiIndex], ValueFunction]


@dataclass(frozen=True, eq=False)
class Group:
    """The faces of one field with the same value: the partials of the value, and those of each of their functions."""

    value: Partials
    functions: tuple[Partials, ...]


@dataclass(frozen=True, eq=False)
class ShapeAnsatz:
    """u = lift + factor N on a shape, with the groups of faces of every field."""

    periodic: tuple[bool, ...]
    fields: tuple[tuple[Group, ...], ...]

    @classmethod
    def of(cls, problem: Problem, shape: Shape) -> ShapeAnsatz:
        """Return the ansatz of the hard conditions; raise ProblemError if one can't be built."""
        found: list[list[tuple[Any, str, tuple[Face, ...]]]] = [[] for _ in problem.fields]
        for name, condition in problem.hard_conditions():
            values = condition.boundary_values(problem)
            if not values or any(value.order for value in values):
                kind = type(condition).__name__
                raise _impossible(problem, name, f"a hard {kind} of this kind needs a Box")
            for field, value in itertools.product(condition.field_indices(problem), values):
                found[field].append((value.value, name, value.faces))
        return cls(
            (False,) * problem.domain.dimension,
            tuple(_groups(problem, shape, field, given) for field, given in enumerate(found)),
        )

    @torch.no_grad()
    def jets(self, points: Tensor, plan: JetPlan) -> tuple[Tensor, Tensor]:
        """Return the jets of lift and factor at points (n, d): (n, S, fields) each."""
        both = [_field_jets(groups, points, plan) for groups in self.fields]
        lift, factor = (torch.cat(each, dim=2) for each in zip(*both, strict=True))
        return lift, factor


def _field_jets(groups: Sequence[Group], points: Tensor, plan: JetPlan) -> tuple[Tensor, Tensor]:
    """Return the jets (n, S, 1) of one field's lift and factor."""
    one = points.new_zeros(len(points), len(plan), 1)
    one[:, plan.index[()]] = 1.0
    factors = [_product(plan, one, [_jet(f, points, plan) for f in group.functions]) for group in groups]
    whole = _product(plan, one, factors)
    if not groups:
        return torch.zeros_like(one), whole
    values = [_jet(group.value, points, plan) for group in groups]
    if len(groups) == 1:
        return values[0], whole
    others = [_product(plan, one, [*factors[:i], *factors[i + 1 :]]) for i in range(len(groups))]
    total = torch.stack(others).sum(0)
    above = torch.stack([jets.product(plan, g, w) for g, w in zip(values, others, strict=True)]).sum(0)
    return jets.product(plan, above, _reciprocal(plan, total)), whole


def _jet(function: Partials, points: Tensor, plan: JetPlan) -> Tensor:
    return torch.stack([function(partial)(points) for partial in plan.partials], dim=1)[:, :, None]


def _product(plan: JetPlan, one: Tensor, factors: Sequence[Tensor]) -> Tensor:
    result = one
    for factor in factors:
        result = jets.product(plan, result, factor)
    return result


def _reciprocal(plan: JetPlan, jet: Tensor) -> Tensor:
    """Return the jet of 1 / f, order by order: the product of both has no derivatives."""
    value = jet[:, plan.index[()]][:, None]
    result = torch.zeros_like(jet)
    result[:, plan.index[()]] = 1 / jet[:, plan.index[()]]
    for order in range(1, plan.order + 1):
        which = [number for number, partial in enumerate(plan.partials) if len(partial) == order]
        result[:, which] = -jets.product(plan, jet, result)[:, which] / value
    return result


# Construction --------------------------------------------------------------------------------------------------------


def _groups(
    problem: Problem, shape: Shape, field: int, given: Sequence[tuple[Any, str, tuple[Face, ...]]]
) -> tuple[Group, ...]:
    """Return the groups of faces with the same value, whose functions are tested."""
    taken: dict[str, str] = {}
    together: list[tuple[Any, list[str], list[Face]]] = []
    for value, name, faces in given:
        for face in faces:
            if face.name in taken:
                raise ProblemError(
                    f"the hard conditions {taken[face.name]!r} and {name!r} of {problem.name} both prescribe "
                    f"{problem.fields[field]} on {face.name}; drop one of them"
                )
            taken[face.name] = name
        same = next((group for group in together if _equal(group[0], value)), None)
        if same is None:
            together.append((value, [name], list(faces)))
        else:
            same[1].append(name)
            same[2].extend(faces)
    inside = shape.sample_interior(SAMPLES)
    places = {name: _on(shape, face) for name, face in shape.faces.items()}
    groups = []
    for _, names, mine in together:
        functions: dict[Any, Partials] = {}
        for face in mine:
            functions.update(_functions(problem, shape, face, names[0]))
        elsewhere = [points for name, points in places.items() if name not in taken]
        groups.append(tuple(_positive(problem, names[0], each, inside, elsewhere) for each in functions.values()))
    for (i, (_, names, own)), (j, other) in itertools.permutations(enumerate(together), 2):
        sizes = [np.abs(_values(f, np.concatenate([places[face.name] for face in own]))) for f in groups[j]]
        largest = [np.abs(_values(f, inside)).max() for f in groups[j]]
        if i != j and min(s.min() / m for s, m in zip(sizes, largest, strict=True)) < NEAR:
            raise _impossible(
                problem,
                names[0],
                f"its faces meet those of {other[1][0]!r}, where the two values need not agree; give both one value",
            )
    return tuple(
        Group(_value(problem, field, value, names[0]), functions)
        for (value, names, _), functions in zip(together, groups, strict=True)
    )


def _equal(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and not callable(one) and bool(one == other))


def _value(problem: Problem, field: int, value: Any, name: str) -> Partials:
    what = f"the value of condition {name!r} of {problem.name}"

    def partials(partial: MultiIndex) -> ValueFunction:
        function = value_function(value, problem, field, partial)
        return lambda points: call(function, {"points": points}, what)

    return partials


def _on(shape: Shape, face: Face) -> Array:
    random = np.random.default_rng(0)
    return face_points(shape, face, SAMPLES // 8, lambda count, dimension: random.random((count, dimension)))


def _values(function: Partials, points: Array) -> Array:
    with torch.no_grad():
        return np.asarray(function(())(torch.as_tensor(points)).numpy())


def _functions(problem: Problem, shape: Shape, face: Face, name: str) -> Iterator[tuple[Any, Partials]]:
    """Yield the functions of a face's pieces, each under a key that pieces of the same curve or surface share."""
    for piece in shape.pieces[face.name]:
        found = _formula(piece, 0)
        if found is None:
            raise _impossible(problem, name, f"the face {face.name} has no smooth function that is zero on it alone")
        key, formula = found
        yield key, functools.partial(value_function, formula(problem.domain.names), problem, 0)


Formula = Callable[[tuple[str, ...]], Any]  # names of the coordinates -> a value, zero on the piece


def _formula(piece: Piece, first: int) -> tuple[Any, Formula] | None:
    """Return a key and the formula of a piece in the coordinates from number `first` on; None if it has none."""
    if isinstance(piece, Part):
        return _formula(piece.whole, first)
    if isinstance(piece, Swept):
        return _formula(piece.base, first)
    if isinstance(piece, Cap):
        return _formula(piece.end, first + piece._split)
    if isinstance(piece, End):
        return _linear((first,), (1.0,), piece.x)
    if isinstance(piece, Side):
        return _linear((first + piece.axis,), (1.0,), piece.low[piece.axis])
    if isinstance(piece, Segment):
        along = np.subtract(piece.second, piece.first)
        normal = np.array([along[1], -along[0]]) / np.hypot(*along)
        return _linear((first, first + 1), tuple(normal.tolist()), float(normal @ piece.first))
    if isinstance(piece, Arc):
        return _round(first, piece.center, piece.radii)
    if isinstance(piece, Sphere):
        return _round(first, piece.center, (piece.radius,) * 3)
    function = getattr(piece, "function", None)
    return None if function is None else (id(function), lambda names: _of_level(function))


def _linear(axes: tuple[int, ...], normal: tuple[float, ...], offset: float) -> tuple[Any, Formula]:
    def formula(names: tuple[str, ...]) -> Any:
        x = symbols(names)
        return sp.Add(*(n * x[a] for a, n in zip(axes, normal, strict=True))) - offset

    return (axes, normal, offset), formula


def _round(first: int, center: Sequence[float], radii: Sequence[float]) -> tuple[Any, Formula]:
    def formula(names: tuple[str, ...]) -> Any:
        x = symbols(names)[first:]
        return 1 - sp.Add(*(((x[a] - c) / r) ** 2 for a, (c, r) in enumerate(zip(center, radii, strict=True))))

    return (first, tuple(center), tuple(radii)), formula


def _of_level(function: Any) -> Callable[..., Tensor]:
    def value(**coordinates: Tensor) -> Tensor:
        level: Tensor = function(torch.stack([coordinates[name] for name in function.names], dim=-1))
        return level

    return value


def _positive(problem: Problem, name: str, function: Partials, inside: Array, others: Sequence[Array]) -> Partials:
    """Return a function or its negative, which is positive inside.

    Raises ProblemError if it vanishes inside, or on faces where no condition holds.
    """
    values = _values(function, inside)
    largest = float(np.abs(values).max())
    if not math.isfinite(largest) or values.min() < 0 < values.max():
        raise _impossible(
            problem, name, "the continuation of a face crosses the domain, so no smooth function is zero on it alone"
        )
    for points in others:
        if len(points) and float((np.abs(_values(function, points)) < ZERO * largest).mean()) > TOUCHING:
            raise _impossible(problem, name, "the continuation of its faces runs along others; name these faces too")
    if values.max() > 0:
        return function

    def negative(partial: MultiIndex) -> ValueFunction:
        of = function(partial)
        return lambda points: -of(points)

    return negative


def _impossible(problem: Problem, name: str, reason: str) -> ProblemError:
    return ProblemError(f"the hard {name!r} of {problem.name} can't be built: {reason}; or leave out hard=True")
