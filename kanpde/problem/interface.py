"""What holds across an inner face: where two parts of a domain meet, or on a plane in its middle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.errors import ProblemError, nearest, short
from kanpde.geometry.domain import On
from kanpde.geometry.partition import REST, Contact, Cut, Partition
from kanpde.geometry.patch import Patch, over
from kanpde.problem.arguments import call
from kanpde.problem.block import Block, Partials, Side
from kanpde.problem.boundary_values import value_function
from kanpde.problem.constraint import Constraint
from kanpde.problem.declaration import Declaration
from kanpde.problem.field import Field, lookup, values
from kanpde.problem.residual import arguments_of, residual_block, trial_side

SEAM = "seam"  # the name of the only face of the block's place
# (inner side, outer side, normals (n, d) out of the inner one, unknowns) -> rows (components, n).
Rows = Callable[[Side, Side, Tensor, Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Pair:
    """The rows of an interface as a function of its two sides, with the partials that they look up."""

    components: tuple[str, ...]
    partials: Partials
    evaluate: Rows


@dataclass(frozen=True)
class Interface(Constraint):
    """[u] = jump and [flux · n] = flux_jump across the inner faces ``on``, with [f] = f outside − f inside.

    ``on`` is the name of a face of a part's shape, the name of a part for all faces of it, a list of these, or a plane
    such as {"x": 0.3}, along which the domain is cut if it is no face of a part. n is the unit normal out of the part;
    on a plane it points to larger values. ``flux`` is a function of fields, coordinates, unknowns and coefficients by
    name, which returns the flux' components (or a tuple of such tuples, for several fluxes). The jumps are as the value
    of Dirichlet, but for "exact". With ``field`` the jump is that of one field, else that of all.

    Raises ProblemError if ``on`` is no inner face, if the flux has a wrong number of components, or if there is none
    though the equation has second derivatives.
    """

    on: On
    jump: Any = 0
    flux: Callable[..., Any] | None = None
    flux_jump: Any = 0
    field: str | None = None

    def about_all_fields(self) -> bool:
        return True

    def cuts(self, problem: Declaration) -> tuple[Cut, ...]:
        if not isinstance(self.on, Mapping):
            return ()
        domain = problem.domain
        if len(self.on) != 1:
            raise ProblemError(f"Interface expects one coordinate in on, such as {{'x': 0.3}}, got {short(self.on)}")
        ((name, value),) = self.on.items()
        axis = domain.axis(name)
        if axis == domain.time:
            raise ProblemError("Interface expects a plane in space, got one in time")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ProblemError(f"coordinate {name} expects a finite number, got {value!r}")
        if not domain.low[axis] < value < domain.high[axis]:
            raise ProblemError(f"Interface expects a plane inside {domain}, got {name} = {value:g}; move it")
        return ((domain.space.index(axis), float(value)),)

    def contacts(self, problem: Declaration) -> list[tuple[Contact, bool]]:
        """Return the contacts that ``on`` means, and whether the normal points into their inner cell."""
        partition = problem.partition
        if partition is None:
            raise ProblemError(
                "Interface expects parts of the domain, got none; declare parts, or give a plane such as on={'x': 0.3}"
            )
        if isinstance(self.on, Mapping):
            ((axis, value),) = self.cuts(problem)
            near = partition.step
            return [
                (each, False)
                for each in partition.contacts
                if each.plane is not None and each.plane[0] == axis and abs(each.plane[1] - value) <= near
            ]
        names = [self.on] if isinstance(self.on, str) else list(self.on)
        return [each for name in names for each in named(partition, name)]

    def block(self, name: str, problem: Declaration) -> Block:
        self.check()
        contacts, partition = self.contacts(problem), problem.partition
        assert partition is not None
        pair, place = self.pair(problem), place_of(partition, contacts)
        domain, step = over(place, problem.domain), partition.step
        face = domain.faces[SEAM]
        # The sides are looked at a step beside the face, and continued to it by Taylor's formula.
        partials = {
            i: frozenset({*own, *(tuple(sorted((*p, axis))) for p in own for axis in face.axes)})
            for i, own in pair.partials.items()
        }

        def images(points: Tensor) -> tuple[Tensor, ...]:
            away = step * domain.normals(face, points)
            return points - away, points + away

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            inner, outer = sides
            normal = domain.normals(face, (inner.points + outer.points) / 2)
            inner = continued(inner, step * normal, face.axes, domain.names)
            outer = continued(outer, -step * normal, face.axes, domain.names)
            return pair.evaluate(inner, outer, normal, unknowns)

        more: dict[str, Any] = {"images": images, "weight": self.weight, "place": place}
        return Block(name, "condition", pair.components, (face,), partials, evaluate, **more)

    def pair(self, problem: Declaration) -> Pair:
        """Return the rows of the two sides."""
        chosen = self.field_indices(problem)
        jump, flux_jump = value_function(self.jump, problem), value_function(self.flux_jump, problem)
        fluxes, partials, names = self._fluxes(problem)
        components = (*(problem.fields[i] for i in chosen), *names)
        partials = {i: partials.get(i, frozenset()) | ({()} if i in chosen else set()) for i in {*chosen, *partials}}

        def evaluate(inner: Side, outer: Side, normal: Tensor, unknowns: Mapping[str, Tensor]) -> Tensor:
            points = (inner.points + outer.points) / 2
            target = jump(points)
            rows = [lookup(outer.fields[i])(()) - lookup(inner.fields[i])(()) - target for i in chosen]
            if names:
                change = fluxes(outer, unknowns) - fluxes(inner, unknowns)
                through = torch.einsum("fan,na->fn", change, normal[..., list(self._axes(problem))])
                rows += [*(through - flux_jump(points))]
            return torch.stack(rows)

        return Pair(components, partials, evaluate)

    def _axes(self, problem: Declaration) -> tuple[int, ...]:
        """Return the coordinates of space by which the equation differentiates."""
        partials = residual_block(problem.residual, problem, "residual", kind="residual").partials.values()
        found = {axis for few in partials for partial in few for axis in partial} & set(problem.domain.space)
        return tuple(sorted(found)) or problem.domain.space

    def _fluxes(self, problem: Declaration) -> tuple[Fluxes, dict[int, frozenset[MultiIndex]], tuple[str, ...]]:
        """Return the fluxes as a function of a side, the partials that they look up, and the names of their rows."""
        axes = self._axes(problem)
        if self.flux is None:
            self._check_no_flux(problem, axes)
            return no_flux, {}, ()
        if not callable(self.flux):
            raise ProblemError(f"Interface expects a function of fields and coordinates as flux, got {self.flux!r}")
        flux, what = self.flux, "the flux"
        arguments = arguments_of(flux, problem, what)
        side, record = trial_side(problem, ())
        unknowns = {key: torch.tensor(float(start), dtype=torch.float64) for key, start in problem.constants.items()}
        count = len(fluxes_of(call(flux, arguments(side, unknowns), what), side.points, len(axes)))

        def evaluate(side: Side, unknowns: Mapping[str, Tensor]) -> Tensor:
            return torch.stack(fluxes_of(call(flux, arguments(side, unknowns), what), side.points, len(axes)))

        partials = {i: frozenset(found) for i, found in enumerate(record) if found}
        return evaluate, partials, ("flux",) if count == 1 else tuple(f"flux_{i + 1}" for i in range(count))

    def _check_no_flux(self, problem: Declaration, axes: tuple[int, ...]) -> None:
        """Raise ProblemError if a flux is needed: with a flux_jump, or if the equation has second derivatives."""
        partials = residual_block(problem.residual, problem, "residual", kind="residual").partials.values()
        second = any(sum(axis in axes for axis in partial) > 1 for few in partials for partial in few)
        if second or not (isinstance(self.flux_jump, (int, float)) and self.flux_jump == 0):
            one = f"{problem.fields[0]}.{problem.domain.names[axes[0]]}"
            raise ProblemError(
                f"Interface expects the flux across the inner face, such as flux=lambda u: {one}, got none"
            )


Fluxes = Callable[[Side, Mapping[str, Tensor]], Tensor]


def no_flux(side: Side, unknowns: Mapping[str, Tensor]) -> Tensor:
    """Return no fluxes."""
    return side.points.new_zeros(0, 1, len(side.points))


def fluxes_of(result: Any, points: Tensor, count: int) -> list[Tensor]:
    """Return the fluxes of a flux function's result, (count, n) each; raise ProblemError for other shapes."""
    rows = list(result) if isinstance(result, (tuple, list)) else [result]
    nested = rows if any(isinstance(row, (tuple, list)) for row in rows) else [rows]
    found = []
    for row in nested:
        each = list(row) if isinstance(row, (tuple, list)) else [row]
        if len(each) != count:
            raise ProblemError(
                f"the flux expects {count} component{'s' if count > 1 else ''}, one for each coordinate of space by "
                f"which the equation differentiates, got {len(each)}"
            )
        found.append(torch.stack([component(part, points) for part in each]))
    return found


def component(part: Any, points: Tensor) -> Tensor:
    """Return a component of a flux as a tensor (n,); raise ProblemError if it is none."""
    part = values(part)
    if isinstance(part, (int, float)):
        return points.new_full(points.shape[:-1], part)
    if not isinstance(part, Tensor) or part.shape != points.shape[:-1]:
        got = f"shape {tuple(part.shape)}" if isinstance(part, Tensor) else type(part).__name__
        raise ProblemError(f"the flux expects tensors of shape (n,) = {tuple(points.shape[:-1])}, got {got}")
    return part


def named(partition: Partition, name: str) -> list[tuple[Contact, bool]]:
    """Return the contacts that a name means; raise ProblemError if it means none."""
    real = [contact for contact in partition.contacts if not contact.smooth]
    found = [(contact, False) for contact in real if name in contact.names]
    found += [(contact, True) for contact in real if name in contact.names_outer and name not in contact.names]
    if not found:
        known = sorted({name for contact in real for name in contact.names | contact.names_outer})
        raise ProblemError(f"expected an inner face between parts for on, got {name!r}; {nearest(name, known)}")
    return found


def place_of(partition: Partition, contacts: list[tuple[Contact, bool]]) -> Patch:
    """Return the contacts as the only face of a shape, with normals out of the cells that are named."""
    space = partition.space
    pieces = [
        piece.reversed() if flipped else piece
        for contact, flipped in contacts
        for face in contact.faces
        for piece in contact.place.pieces[face]
    ]
    return Patch(space.names, space.low, space.high, space.level, space.measure, {SEAM: tuple(pieces)})


def continued(side: Side, by: Tensor, axes: tuple[int, ...], names: tuple[str, ...]) -> Side:
    """Return a side at its points moved by `by` (n, d), to the first order of the distance."""

    def field(own: Field) -> Field:
        def moved(partial: MultiIndex) -> Tensor:
            slopes = [by[..., axis] * lookup(own)(tuple(sorted((*partial, axis)))) for axis in axes]
            return lookup(own)(partial) + torch.stack(slopes).sum(dim=0)

        return Field(repr(own), names, moved)

    return Side(side.points, tuple(field(own) for own in side.fields), side.part)


def check_seams(problem: Declaration) -> None:
    """Raise ProblemError if parts meet and no Interface says what holds there."""
    if problem.partition is None:
        return
    conditions = [each for each in problem.conditions().values() if isinstance(each, Interface)]
    known = {id(contact) for each in conditions for contact, _ in each.contacts(problem)}
    for contact in problem.partition.contacts:
        if not contact.smooth and id(contact) not in known:
            parts = [problem.partition.cells[cell].part for cell in (contact.inner, contact.outer)]
            name = next(part for part in parts if part != REST)
            raise ProblemError(
                f"{problem.name} has no Interface between {parts[0]!r} and {parts[1]!r}; add one, such as "
                f"Interface({name!r}, flux=...)"
            )
