"""A problem with parts as one with a field for every cell of the domain, all on one box.

Each cell's bounding box is mapped to the unit box, so that all fields have the same tensor product of splines, with
knots that fit every cell. The equation is one block for every cell, at the points of the cell; a condition is one for
every cell that its faces touch; an interface, one for every contact of two cells. Within a part, the fields of
neighbouring cells and their derivatives below the equation's order agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.errors import ProblemError
from kanpde.geometry.box import Box
from kanpde.geometry.domain import Face, Section, on_face, outward_normals
from kanpde.geometry.partition import Contact, Partition
from kanpde.geometry.patch import over
from kanpde.geometry.shape import Shape
from kanpde.problem.block import Block, Evaluate, Images, Partials, Side
from kanpde.problem.field import Field, lookup
from kanpde.problem.interface import Interface
from kanpde.problem.problem import Problem

JOINTS = "joints"  # the name of the conditions between cells of one part
PROBES = 256  # points of a face at which the other end of a periodic coordinate is looked up


class Split(Problem):
    """The problem `whole`, which has parts, with a field for every cell: those of the first cell come first."""

    def __init__(self, whole: Problem) -> None:
        whole.check()
        partition = whole.partition
        assert partition is not None
        self.whole, self.cells = whole, partition.cells
        self.layout: Partition = partition
        names, space = whole.domain.names, whole.domain.space
        bounds = {n: (float(a), float(b)) for n, a, b in zip(names, whole.domain.low, whole.domain.high, strict=True)}
        self.domain = Box(**{n: (0.0, 1.0) if axis in space else bounds[n] for axis, n in enumerate(names)})
        self.frames = [cell.frame for cell in self.cells]
        self.count = len(whole.fields)
        self.fields = tuple(f"{field} in {cell.part}" for cell in self.cells for field in whole.fields)
        self.unknowns = whole.unknowns
        self._name = whole.name

    @property
    def partition(self) -> None:
        """None, because the unit box is whole."""

    def conditions(self) -> Mapping[str, Any]:
        return self.whole.conditions()

    def hard_conditions(self) -> tuple[tuple[str, Any], ...]:
        return ()

    def check(self) -> None:
        self.whole.check()

    def blocks(self, *, hard: bool = False) -> tuple[Block, ...]:
        return self._blocks

    @cached_property
    def _blocks(self) -> tuple[Block, ...]:
        conditions = self.conditions()
        equation, *others = self.whole.blocks(hard=True)
        blocks = [self._of_cell(equation, c, place=cell.region) for c, cell in enumerate(self.cells)]
        for block in others:
            condition = conditions[block.name]
            if isinstance(condition, Interface):
                blocks += self._interfaces(block, condition)
            elif block.hard:
                raise ProblemError(
                    f"a hard condition can't be built on a domain with parts; leave out hard=True in {block.name!r}"
                )
            elif block.integrated:
                raise ProblemError(f"an Integral can't be prescribed on a domain with parts; leave out {block.name!r}")
            else:
                blocks += self._condition(block)
        return (*blocks, *self._joints(equation))

    def assembled(self, evaluate: Callable[[Array, Array], Array], points: Array, shares: Array) -> Array:
        """Return the whole's fields (n, f) at points (n, d), from all fields in the unit box; shares (n,) of time."""
        home = self.layout.locate(torch.as_tensor(points)).numpy()
        found = np.zeros((len(points), self.count))
        for cell, frame in enumerate(self.frames):
            here = home == cell
            if here.any():
                inner = frame.inwards(torch.as_tensor(points[here])).numpy()
                found[here] = evaluate(inner, shares[here])[:, cell * self.count : (cell + 1) * self.count]
        return found

    # Sides -----------------------------------------------------------------------------------------------------------

    def own(self, side: Side, cell: int, points: Tensor) -> Side:
        """Return the fields of a cell, as functions of the domain's points, at a side in its unit box."""
        frame, names, first = self.frames[cell], self.domain.names, cell * self.count
        mine = side.fields[first : first + self.count]
        fields = (
            Field(name, names, frame.physical(lookup(own), points))
            for own, name in zip(mine, self.whole.fields, strict=True)
        )
        return Side(points, tuple(fields), self.cells[cell].part)

    def _partials(self, partials: Partials, cells: Sequence[int]) -> dict[int, frozenset[MultiIndex]]:
        """Return the partials in the unit box that fields of these cells need for partials of the whole's fields."""
        return {
            cell * self.count + i: frozenset(q for p in few for q in self.frames[cell].needed(p))
            for cell in cells
            for i, few in partials.items()
        }

    def _of_cell(self, block: Block, cell: int, *, which: Sequence[int] | None = None, **changes: Any) -> Block:
        """Return a block about a cell alone; `which` are the numbers of its faces, or of its points, in the block."""
        return self._of_cells(block, (cell,), which=which, **changes)

    def _of_cells(
        self, block: Block, cells: Sequence[int], *, which: Sequence[int] | None = None, **changes: Any
    ) -> Block:
        """Return a block whose images lie in these cells, one for each."""
        frames = [self.frames[cell] for cell in cells]
        numbers = None if which is None else torch.tensor(which)

        def images(points: Tensor) -> tuple[Tensor, ...]:
            moved = block.images(points)
            return tuple(frame.inwards(each) for frame, each in zip(frames, moved, strict=True))

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            own = tuple(
                self.own(side, cell, frame.outwards(side.points))
                for side, cell, frame in zip(sides, cells, frames, strict=True)
            )
            place = index if index is None or numbers is None else numbers.to(index.device)[index]
            return block.evaluate(own, place, unknowns)

        return block.with_rows(evaluate, partials=self._partials(block.partials, cells), images=images, **changes)

    # Conditions ------------------------------------------------------------------------------------------------------

    def _condition(self, block: Block) -> Iterator[Block]:
        if block.points is not None:
            home = self.layout.locate(torch.as_tensor(block.points)).numpy()
            for cell in range(len(self.cells)):
                own = np.flatnonzero(home == cell).tolist()
                if own:
                    yield self._of_cell(block, cell, which=own, points=block.points[own])
            return
        taken = False  # a point lies in one cell only
        for number in range(len(self.cells)):
            for place, which, faces in self._faces(block, number):
                single = all(isinstance(face, Section) and len(face.axes) == len(self.domain.names) for face in faces)
                if single and taken:
                    continue
                taken |= single
                for cells in self._images(block, number, place, faces):
                    yield self._of_cells(block, cells, which=which, faces=faces, place=place)

    def _faces(self, block: Block, number: int) -> Iterator[tuple[Shape, list[int], tuple[Face, ...]]]:
        """Yield the shapes on whose faces a cell has points of a block, the faces' numbers in it, and the faces."""
        cell, domain, found = self.cells[number], self.whole.domain, dict[int, tuple[Shape, list[int]]]()
        for i, face in enumerate(block.faces):
            inside = isinstance(face, Section) or face.axes == (domain.time,)
            place = cell.region if inside else cell.outer.get(face.name)
            if place is not None and (not isinstance(face, Section) or self._meets(place, face)):
                found.setdefault(id(place), (place, []))[1].append(i)
        for place, which in found.values():
            known = over(place, domain).faces
            faces = (block.faces[i] for i in which)
            yield place, which, tuple(face if isinstance(face, Section) else known[face.name] for face in faces)

    def _meets(self, place: Shape, face: Section) -> bool:
        domain = over(place, self.whole.domain)
        free = domain.dimension - len(face.axes)
        unit = np.random.default_rng(0).random((PROBES if free else 1, free))
        return bool(len(on_face(domain, face, unit)))

    def _images(self, block: Block, cell: int, place: Shape, faces: tuple[Face, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the cells in which the images of a block's points on faces of a cell lie."""
        domain = over(place, self.whole.domain)
        points = torch.as_tensor(
            on_face(domain, faces[0], np.random.default_rng(0).random((PROBES, domain.dimension - 1)))
        )
        moved = block.images(points)
        if len(moved) == 1:
            yield (cell,)
            return
        homes = [self.layout.locate(each) for each in moved[1:]]
        if any(bool((home != home[0]).any()) for home in homes):
            raise ProblemError(f"expected parts that meet both ends of a periodic coordinate alike in {block.name!r}")
        yield (cell, *(int(home[0]) for home in homes))

    # Contacts --------------------------------------------------------------------------------------------------------

    def _interfaces(self, block: Block, condition: Interface) -> Iterator[Block]:
        pair = condition.pair(self.whole)
        for contact, flipped in condition.contacts(self.whole):
            sides, sign = ((1, 0), -1.0) if flipped else ((0, 1), 1.0)
            evaluate = self._across(
                contact,
                lambda own, normal, unknowns, s=sides, g=sign: pair.evaluate(
                    own[s[0]], own[s[1]], g * normal, unknowns
                ),
            )
            partials = self._partials(pair.partials, (contact.inner, contact.outer))
            yield self._contact(block, contact, evaluate, partials)

    def _contact(
        self, block: Block, contact: Contact, evaluate: Evaluate, partials: Mapping[int, frozenset[MultiIndex]]
    ) -> Block:
        known = over(contact.place, self.whole.domain).faces
        faces = tuple(known[name] for name in contact.faces)
        images = self._both(contact)
        return block.with_rows(evaluate, faces=faces, partials=partials, images=images, place=contact.place)

    def _both(self, contact: Contact) -> Images:
        inner, outer = self.frames[contact.inner], self.frames[contact.outer]
        return lambda points: (inner.inwards(points), outer.inwards(points))

    def _across(self, contact: Contact, rows: Any) -> Evaluate:
        """Return the rows of the two cells' own sides at the points of their contact, with the normals there."""
        domain, frame = over(contact.place, self.whole.domain), self.frames[contact.inner]
        faces = tuple(domain.faces[name] for name in contact.faces)

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            points = frame.outwards(sides[0].points)
            own = self.own(sides[0], contact.inner, points), self.own(sides[1], contact.outer, points)
            found: Tensor = rows(own, outward_normals(domain, faces, points, index), unknowns)
            return found

        return evaluate

    def _joints(self, equation: Block) -> Iterator[Block]:
        """Yield the conditions between cells of one part."""
        for contact in self.layout.contacts:
            if not contact.smooth:
                continue
            assert contact.plane is not None
            axis = self.whole.domain.space[contact.plane[0]]
            orders = {i: max(p.count(axis) for p in few) for i, few in equation.partials.items()}
            agreeing = [(i, (axis,) * order) for i, most in orders.items() for order in range(most)]
            if not agreeing:
                continue

            def rows(own: tuple[Side, Side], normal: Tensor, unknowns: Any, those: Any = tuple(agreeing)) -> Tensor:
                return torch.stack([lookup(own[1].fields[i])(p) - lookup(own[0].fields[i])(p) for i, p in those])

            looked_up = {i: frozenset(p for j, p in agreeing if j == i) for i, _ in agreeing}
            partials = self._partials(looked_up, (contact.inner, contact.outer))
            names = tuple(f"{self.whole.fields[i]}{self.domain.names[axis] * len(p)}" for i, p in agreeing)
            blank = Block(JOINTS, "condition", names, (), {}, equation.evaluate)
            yield self._contact(blank, contact, self._across(contact, rows), partials)


def split(problem: Problem) -> Problem:
    """Return a problem with parts as one with a field for every cell; return any other problem as it is."""
    return problem if problem.partition is None else Split(problem)
