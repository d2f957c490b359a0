"""Collect the values that hard conditions prescribe on the faces of a box, and check that they are compatible.

Where a face normal to axis a meets a face normal to axis b, both conditions determine the same derivative of the field:
∂_a^i of the data on the face of axis b, and ∂_b^j of the data on the face of axis a. A smooth function satisfies both
conditions only if these agree.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.errors import ProblemError
from kanpde.geometry.box import Box, BoxFace
from kanpde.problem.arguments import call
from kanpde.problem.boundary_values import ValueFunction, value_function
from kanpde.problem.constraint import BoundaryValue, Closing, Constraint
from kanpde.problem.problem import Problem

_TOLERANCE = 1e-8  # largest difference between data on two faces, relative to their size on the faces
_ABSOLUTE_TOLERANCE = 1e-12  # largest difference between data that are zero up to round-off

Derivatives = Callable[[MultiIndex], ValueFunction]


@dataclass(frozen=True, eq=False)
class Prescribed:
    """∂_a^order u = ``data(())`` on a face normal to axis a, for one field u; ``data(α)`` is a partial of the data."""

    condition: str
    face: BoxFace
    order: int
    data: Derivatives


def prescriptions(problem: Problem, box: Box) -> tuple[tuple[Prescribed, ...], ...]:
    """Return the prescribed data of each field, sorted by axis and along it by side and order of the derivative.

    `box` is the problem's domain. Raises ProblemError if two conditions prescribe the same derivative, a velocity is
    prescribed without a value, data disagree where faces meet, or a condition does not report its boundary values.
    """
    found: list[list[Prescribed]] = [[] for _ in problem.fields]
    for name, condition in problem.hard_conditions():
        values = condition.boundary_values(problem)
        if not values and condition.closing(problem) is None:
            raise ProblemError(f"the hard {name!r} of {problem.name} can't be built; leave out hard=True")
        for field, value in itertools.product(condition.field_indices(problem), values):
            found[field] += _read_prescriptions(name, value, problem, box, field)
    for field, given in enumerate(found):
        given.sort(key=lambda one: (one.face.axis, one.face.side, one.order))
        _check_slots(problem, field, given)
        for one, other in itertools.combinations(given, 2):
            if one.face.axis != other.face.axis:
                _check_meeting(problem, box, field, one, other)
    return tuple(map(tuple, found))


def _read_prescriptions(name: str, given: BoundaryValue, problem: Problem, box: Box, field: int) -> list[Prescribed]:
    # The value "exact" is the solution, of which the derivative is prescribed.
    order = given.order if isinstance(given.value, str) else 0
    what = f"the value of condition {name!r} of {problem.name}"

    @functools.cache
    def function(partial: MultiIndex) -> ValueFunction:
        found = value_function(given.value, problem, field, partial)
        return lambda points: call(found, {"points": points}, what)

    def data(axis: int) -> Derivatives:
        return lambda partial: function(tuple(sorted((*partial, *(axis,) * order))))

    faces = [box.faces[face.name] for face in given.faces]
    return [Prescribed(name, face, given.order, data(face.axis)) for face in faces]


def periodic_axes(problem: Problem, box: Box, given: tuple[tuple[Prescribed, ...], ...]) -> tuple[bool, ...]:
    """Return for each axis of the box, the problem's domain, whether it is periodic.

    Raises ProblemError if only some fields are periodic along an axis, if a face of the axis has data, or if data on
    other faces are not periodic.
    """
    circles = list(_closings(problem))
    fields_on: dict[int, set[int]] = {}
    for _, condition, circle in circles:
        fields_on.setdefault(circle.axis, set()).update(condition.field_indices(problem))
    for name, condition, circle in circles:
        if len(fields_on[circle.axis]) < len(problem.fields):
            alone = ", ".join(problem.fields[i] for i in condition.field_indices(problem))
            raise ProblemError(
                f"the hard {type(condition).__name__} {name!r} of {problem.name} can't be built for {alone} alone, as "
                "all fields share a network; leave out field= or hard=True"
            )
        for field, ones in enumerate(given):
            for one in ones:
                _check_closing(problem, box, field, one, name, circle)
    return tuple(axis in fields_on for axis in range(box.dimension))


def _closings(problem: Problem) -> Iterator[tuple[str, Constraint, Closing]]:
    for name, condition in problem.hard_conditions():
        circle = condition.closing(problem)
        if circle is not None:
            yield name, condition, circle


def _check_slots(problem: Problem, field: int, given: list[Prescribed]) -> None:
    u = problem.fields[field]
    slots: dict[tuple[str, int], str] = {}
    for one in given:
        slot = (one.face.name, one.order)
        if slot in slots:
            raise ProblemError(
                f"the hard conditions {slots[slot]!r} and {one.condition!r} of {problem.name} both prescribe "
                f"{u}{'_t' * one.order} on {one.face.name}; drop one of them"
            )
        slots[slot] = one.condition
    for (face, order), name in slots.items():
        if order and (face, 0) not in slots:
            raise ProblemError(
                f"the hard Initial {name!r} of {problem.name} prescribes {u}_t, and can't be built without a hard "
                f"Initial for {u} itself; make that one hard too, or leave out hard=True"
            )


def _check_meeting(problem: Problem, box: Box, field: int, one: Prescribed, other: Prescribed) -> None:
    a, b = (one.face.axis,) * one.order, (other.face.axis,) * other.order
    points = samples(box, one.face, other.face)
    sides = (one.data(b), points), (other.data(a), points)
    size = max(_size(box, one, b), _size(box, other, a))
    where = f"where {one.face.name} and {other.face.name} meet"
    _check_equal(problem, field, (one.condition, other.condition), a + b, where, sides, size)


def _check_closing(problem: Problem, box: Box, field: int, one: Prescribed, name: str, circle: Closing) -> None:
    axis, names = circle.axis, box.names
    if one.face.axis == axis:
        raise ProblemError(
            f"the hard conditions {name!r} and {one.condition!r} of {problem.name} both prescribe {one.face.name}; "
            "leave out hard=True on one of them"
        )
    low, high = (box.faces[f"{names[axis]}{sign}"] for sign in "-+")
    ends = samples(box, one.face, low), samples(box, one.face, high)
    for partial in ((axis,) * k for k in range(circle.order + 1)):
        sides = (one.data(partial), ends[0]), (one.data(partial), ends[1])
        meant = (one.face.axis,) * one.order + partial
        where, size = f"on {low.name} and {high.name}", _size(box, one, partial)
        _check_equal(problem, field, (name, one.condition), meant, where, sides, size)


def samples(domain: Box, *faces: BoxFace) -> Tensor:
    """Return points (n, d) where faces meet: the corners and random points between them."""
    corners = np.array(list(itertools.product((0.0, 1.0), repeat=domain.dimension)))
    unit = np.concatenate([corners, np.random.default_rng(0).random((64, domain.dimension))])
    for face in faces:
        unit[:, face.axis] = face.side > 0
    return torch.from_numpy(domain.interior(unit))


def _size(box: Box, one: Prescribed, partial: MultiIndex) -> float:
    """Return the largest finite magnitude of data on their face."""
    values = one.data(partial)(samples(box, one.face))
    return float(values[values.isfinite()].abs().max()) if values.isfinite().any() else 0.0


def _check_equal(
    problem: Problem,
    field: int,
    conditions: tuple[str, str],
    partial: MultiIndex,
    where: str,
    sides: tuple[tuple[ValueFunction, Tensor], tuple[ValueFunction, Tensor]],
    size: float,
) -> None:
    (left, right), points = (function(points) for function, points in sides), sides[0][1]
    gaps = (left - right).abs()
    # This comparison is False for NaN, so values that are not numbers do not agree.
    if bool((gaps <= _TOLERANCE * size + _ABSOLUTE_TOLERANCE).all()):
        return
    worst = int(gaps.nan_to_num(torch.inf).argmax())
    names, u = problem.domain.names, problem.fields[field]
    derivative = f"{u}_{''.join(names[axis] for axis in partial)}" if partial else u
    place = ", ".join(f"{name}={x:.4g}" for name, x in zip(names, points[worst].tolist(), strict=True))
    raise ProblemError(
        f"the hard conditions {conditions[0]!r} and {conditions[1]!r} of {problem.name} expect the same {derivative} "
        f"{where}, got {left[worst]:.9g} and {right[worst]:.9g} at {place}, which differ by {gaps[worst]:.3g}; "
        "change the values or leave out hard=True on one"
    )
