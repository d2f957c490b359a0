"""Conditions of flows by their names in fluid mechanics: inflow, outflow, walls with and without slip.

    inflow    the velocity is given              u = given
    outflow   the pressure is given, no shear    p = given,  ∂u_t/∂n = 0
    no slip   the fluid sticks to the wall       u = velocity of the wall
    slip      the fluid slides along the wall    u · n = 0,  ∂u_t/∂n = 0

Each function returns a dict of existing conditions, to be merged into that of `conditions`. The fields ``velocity`` are
the components along the space coordinates x, y, z, in this order; u_t are the components along a face and n is its
normal. See Gresho and Sani, "Incompressible Flow and the Finite Element Method" (1998), section 3.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kanpde.errors import ProblemError, short
from kanpde.problem.conditions import Dirichlet, Neumann
from kanpde.problem.constraint import Constraint

Conditions = dict[str, Constraint]
Faces = str | Sequence[str]

VELOCITY = ("u", "v")
COORDINATES = ("x", "y", "z")

__all__ = ["inflow", "no_slip", "outflow", "slip"]


def inflow(values: Any, on: Faces, velocity: Sequence[str] = VELOCITY) -> Conditions:
    """Return velocity = values on faces; `values` has one value of any kind for each component.

    Raises ProblemError if there are more or fewer values than components.
    """
    return _prescribed("inflow", values, on, velocity)


def no_slip(on: Faces, moving: Any = None, velocity: Sequence[str] = VELOCITY) -> Conditions:
    """Return velocity = 0 on walls, or the velocity `moving` of the walls, one value for each component.

    Raises ProblemError if there are more or fewer values than components.
    """
    return _prescribed("no_slip", (0,) * len(velocity) if moving is None else moving, on, velocity)


def slip(on: Faces, velocity: Sequence[str] = VELOCITY, coordinates: Sequence[str] = COORDINATES) -> Conditions:
    """Return no flow through faces of a box and no slope of the velocity along them; also for planes of symmetry.

    Raises ProblemError if a face is not one of a coordinate, such as "y-".
    """
    found: Conditions = {}
    for face, normal in _faces("slip", on, velocity, coordinates):
        for axis, name in enumerate(velocity):
            found[f"{name}_slip_{face}"] = (
                Dirichlet(0, on=face, field=name) if axis == normal else Neumann(0, on=face, field=name)
            )
    return found


def outflow(
    on: Faces,
    pressure_there: Any = 0,
    velocity: Sequence[str] = VELOCITY,
    pressure: str = "p",
    coordinates: Sequence[str] = COORDINATES,
) -> Conditions:
    """Return the field `pressure` = `pressure_there` on faces of a box, and no slope of the velocity along them.

    The continuity equation determines the component along the normal. Raises ProblemError if a face is not one of a
    coordinate, such as "x+".
    """
    found: Conditions = {}
    for face, normal in _faces("outflow", on, velocity, coordinates):
        found[f"{pressure}_outflow_{face}"] = Dirichlet(pressure_there, on=face, field=pressure)
        for axis, name in enumerate(velocity):
            if axis != normal:
                found[f"{name}_outflow_{face}"] = Neumann(0, on=face, field=name)
    return found


def _prescribed(kind: str, values: Any, on: Faces, velocity: Sequence[str]) -> Conditions:
    given = [values[name] for name in velocity if name in values] if isinstance(values, Mapping) else values
    if not isinstance(given, (tuple, list)) or len(given) != len(velocity) or len(values) != len(velocity):
        raise ProblemError(
            f"{kind} expects one value for each of {', '.join(velocity)}, got {short(values)}; write them as a tuple"
        )
    where = on if isinstance(on, str) else list(on)
    name = where if isinstance(where, str) else "_".join(where)
    return {f"{f}_{kind}_{name}": Dirichlet(value, on=where, field=f) for f, value in zip(velocity, given, strict=True)}


def _faces(kind: str, on: Faces, velocity: Sequence[str], coordinates: Sequence[str]) -> list[tuple[str, int]]:
    """Return every face with the number of the coordinate along its normal."""
    axes = list(coordinates[: len(velocity)])
    found = []
    for face in [on] if isinstance(on, str) else on:
        name = face.rstrip("+-")
        if name not in axes:
            known = ", ".join(f"{axis}-, {axis}+" for axis in axes)
            raise ProblemError(f"{kind} expects faces of a box, such as {known}, got {short(face)}; write a Condition")
        found.append((face, axes.index(name)))
    return found
