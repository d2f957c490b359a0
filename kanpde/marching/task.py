"""The task of a march: the problem, its options, and the properties that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.singular import SingularFunction
from kanpde.collocation.affine import data_size
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain
from kanpde.marching.axes import Axis, LegendreAxis, SplineAxis
from kanpde.marching.enriched_product import product_of
from kanpde.marching.evolution import evolves, part_of
from kanpde.marching.memory import factored_within, iterated_within
from kanpde.marching.parabolic import errors_decay
from kanpde.marching.periodic import periodic_everywhere
from kanpde.marching.quadrature import any_shape
from kanpde.marching.separable.structure import Structure, plain, structure_of
from kanpde.marching.separable.trial import compatible, converges
from kanpde.marching.singular_functions import singular_functions
from kanpde.marching.source_axes import axes_of_source
from kanpde.marching.split import Split
from kanpde.marching.tensor_product import TensorProduct
from kanpde.marching.tolerances import MarchTolerances
from kanpde.problem.block import Block
from kanpde.problem.guess import guess_block
from kanpde.problem.lift import Ansatz, Lift
from kanpde.problem.problem import Problem

TRIED = {1: 8, 2: 8, 3: 2}  # number of intervals of the axes on which an iteration is tried, by their number
DECAYING_DIMENSION = 1  # largest number of axes in space with which the first slab may be all of time
FACTORED_DIMENSION = 3  # largest number of coordinates with which a matrix is factored
SPARSER = 4  # unknowns of a `sparse` evolution that are as many points as one of another evolution
MOST_ON_SHAPES = 2500  # largest number of unknowns of a slab on a domain that is not a box
MOST_ON_BODIES = 3400  # the same of a body in space, where splines of the degree 13 on two intervals have 3375
MOST_WITH_INTEGRALS = 4000  # largest number of unknowns of a slab if a row has all of them, so that JᵀJ is no band


@dataclass(frozen=True, eq=False)
class MarchTask:
    """A problem and the options of its march.

    `degree` and `intervals` are those of the splines; if `intervals` is None the tolerances set the initial number.
    Later passes may have the `smooth_degree`, if that is higher.
    `affine` is True if the problem is linear in its fields; `most` is the largest number of unknowns of a slab, and
    `most_iterated` that of one which is solved by iteration, without a factor, on the device `iterated_on` if that is
    another one. No slab may have more unknowns than fit into the `memory`, in bytes.
    """

    problem: Problem
    degree: int
    intervals: int | None
    affine: bool
    most: int
    device: torch.device
    most_iterated: int = 0
    iterated_on: torch.device | None = None
    smooth_degree: int = 0
    memory: float = math.inf
    tolerances: MarchTolerances = field(default_factory=MarchTolerances)

    def limits(self, *, long: bool) -> MarchTolerances:
        """Return the thresholds of the present pass, which are others in a long evolution."""
        return self._of_long if long else self._usual

    @cached_property
    def _usual(self) -> MarchTolerances:
        return self.tolerances if self.along else replace(self.tolerances, left_of_bad=self.tolerances.left)

    @cached_property
    def _of_long(self) -> MarchTolerances:
        return self.tolerances.of_long(self.problem.domain.dimension)

    @cached_property
    def linear(self) -> bool:
        """True if one step solves a slab; an unknown constant times a field is not linear in both."""
        return self.affine and not self.problem.unknowns

    @cached_property
    def ansatz(self) -> Lift | None:
        """The lift and factor that satisfy the hard conditions; None if there are no hard conditions."""
        return Ansatz.of(self.problem)

    @cached_property
    def slabbed(self) -> bool:
        """True if the problem is solved in slabs of time."""
        return evolves(self.problem.whole if isinstance(self.problem, Split) else self.problem)

    @property
    def time(self) -> int:
        """The axis of time of a slabbed problem."""
        return self.problem.domain.time or 0

    @cached_property
    def shaped(self) -> bool:
        """True if the domain, or a part of it, is not a box."""
        return any_shape(self.problem.domain, self.blocks)

    @property
    def foreseeable(self) -> bool:
        """True if the solution of one pass shows the knots of the next, and is its guess.

        On a shape the splines also continue the solution outside, and unknown constants begin at starts of their own.
        """
        return not (self.continued or self.problem.unknowns)

    @property
    def continued(self) -> bool:
        """True if the coefficients are not those of the solution alone: splines continue it outside a shape, and may
        cancel singular functions.

        Transferred to other knots they may be wild inside too.
        """
        return self.shaped or bool(self.singular)

    @property
    def largest(self) -> int:
        """The largest number of unknowns of a slab."""
        # Along one axis a band is factored at once, and more knots than that are no help.
        within = iterated_within(self.memory, self.problem.domain.dimension)
        most = min(self.most_iterated, within * (SPARSER if self.sparse else 1))
        large = most > self.factored and self.most_iterated > self.most and len(self.along) > 1
        return most if large and (self.periodic or self.structure is not None) else self.factored

    def allows(self, unknowns: int) -> bool:
        """Return True if a slab may have this number of unknowns; an iteration is tried out only for large numbers."""
        return unknowns <= self.factored or unknowns <= self.largest

    @property
    def factored(self) -> int:
        """The largest number of unknowns of a factored matrix, which is smaller if the matrix is dense."""
        most = min(self.most, factored_within(self.memory, self.width))
        if self.shaped:
            return min(most, MOST_ON_BODIES if len(self.along) == FACTORED_DIMENSION else MOST_ON_SHAPES)
        return min(most, MOST_WITH_INTEGRALS) if self._integrated else most

    @property
    def _integrated(self) -> bool:
        """True if a row has all unknowns, so that JᵀJ is no band."""
        return any(block.integrated for block in self.blocks)

    @property
    def width(self) -> float | None:
        """The width of the band of JᵀJ along one axis; None if it depends on the number of knots."""
        if len(self.along) > 1 or self.shaped or self._integrated or self.problem.expansions:
            return None
        in_time = 1 if self.degree_in_time is None else self.degree_in_time + 1
        return float(len(self.problem.fields) * in_time * (max(self.degree, self.smooth_degree) + 1))

    def factorable(self, axes: Sequence[SplineAxis]) -> bool:
        """Return True if the matrix of a slab with these axes fits into the memory."""
        return self.unknowns_of(axes) <= factored_within(self.memory, self.width)

    @property
    def iterates_on(self) -> torch.device:
        """The device of iterations."""
        return self.iterated_on or self.device

    @cached_property
    def structure(self) -> Structure | None:
        """The equation and conditions of a problem that can be solved by iteration; None for other problems."""
        box = as_box(self.problem.domain)
        special = self.ansatz is not None or self.problem.unknowns or self.problem.expansions or self.singular
        if box is None or special or isinstance(self.problem, Split):
            return None
        size = data_size(self.problem, self.blocks)
        structure = structure_of(box, self.blocks, len(self.problem.fields), size)
        if structure is None:
            return None
        high = self.tolerances.first_slab[self.linear] if self.slabbed else 1.0
        part = as_box(self.part(0.0, high))
        assert part is not None
        ends = [(part.low[a], part.high[a]) for a in self.along]
        axes = [
            SplineAxis(np.linspace(*each, TRIED[len(self.along)] + 1), max(self.degree, self.order + 1))
            for each in ends
        ]
        fits = compatible(structure, part)
        return structure if fits and converges(structure, part, self.space(axes, 0.0, high).axes) else None

    @cached_property
    def periodic(self) -> bool:
        """True if an evolution of several fields is periodic along all of two or three axes in space.

        Its knots are equidistant, so that its slabs can be solved by iteration, however many knots there are.
        """
        box, count = as_box(self.problem.domain), len(self.problem.fields)
        special = self.ansatz is not None or self.problem.unknowns or self.problem.expansions
        if box is None or special or isinstance(self.problem, Split) or not (self.slabbed and count > 1):
            return False
        equation, *others = self.later
        conditions = [block for block in others if set(block.integrated) != {*self.along} or block.faces]
        if not plain(equation) or not 2 <= len(self.along) <= 3 or self.device.type != "cpu":
            return False
        return periodic_everywhere(box, conditions, self.along, count)

    @cached_property
    def sparse(self) -> bool:
        """True if one point for each function determines a periodic evolution, as derivatives in time of all fields do.

        The first derivative of the shortest wave vanishes there, so that it does not determine a pressure.
        """
        evolving = self.later[0].partials
        return self.periodic and all((self.time,) in evolving.get(f, ()) for f in range(len(self.problem.fields)))

    def unknowns_of(self, axes: Sequence[SplineAxis]) -> int:
        """Return the number of unknowns of a slab with these spline axes."""
        in_time = 1 if self.degree_in_time is None else self.degree_in_time + 1
        return len(self.problem.fields) * in_time * (math.prod(axis.size for axis in axes) + len(self.singular))

    @cached_property
    def along(self) -> tuple[int, ...]:
        """The numbers of the spline axes."""
        domain = self.problem.domain
        return domain.space if self.slabbed else tuple(range(domain.dimension))

    @cached_property
    def degree_in_time(self) -> int | None:
        """The degree of a slab's polynomials in time; None if the problem is not slabbed."""
        higher = self.tolerances.decaying if self.slabbed and self.decays else 0
        return self.tolerances.degree_in_time[len(self.along)] + higher if self.slabbed else None

    @cached_property
    def errors_decay(self) -> bool:
        """True if a maximum principle says that errors do not grow in time."""
        box = as_box(self.problem.domain)
        if box is None or isinstance(self.problem, Split) or not self.slabbed or len(self.problem.fields) > 1:
            return False
        return errors_decay(box, self.later[0], self.later[1:])

    @property
    def decays(self) -> bool:
        """True if the first slab may be long because errors do not grow."""
        return len(self.along) <= DECAYING_DIMENSION and self.errors_decay

    @property
    def first_slab(self) -> float:
        """The length of the first slab, as a share of time."""
        return 1.0 if self.decays and self.linear else self.tolerances.first_slab[self.linear]

    @cached_property
    def order(self) -> int:
        """The highest order of the equation's derivatives in space."""
        time = self.problem.domain.time if self.slabbed else None
        needed = (partial for partials in self.blocks[0].partials.values() for partial in partials)
        return max(sum(axis != time for axis in partial) for partial in needed)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all blocks, including those of hard conditions."""
        return tuple(block.name for block in self._every)

    @cached_property
    def _every(self) -> tuple[Block, ...]:
        """All blocks of the problem, including those of hard conditions."""
        return self.problem.blocks(hard=True)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the first slab, which are all of the problem's, with the priors of unknown functions."""
        soft = (block for block in self._every if not block.hard)
        return (*soft, *(each.prior for each in self.problem.expansions))

    def rows_of_slab(self, *, joined: bool) -> tuple[Block, ...]:
        """Return the blocks of a slab's rows; if it is `joined` to another slab, without the initial conditions.

        Splines that are periodic along all axes satisfy the conditions on faces by themselves.
        """
        blocks = self.later if joined else self.blocks
        return tuple(block for block in blocks if not (self.periodic and self._across(block)))

    def _across(self, block: Block) -> bool:
        """True if a block is a condition on faces in space."""
        return block.kind == "condition" and bool(block.faces) and block.name not in self.initial

    @cached_property
    def guess(self) -> Block | None:
        """The block that the problem's own guess satisfies; None without one, and for problems of one step."""
        return None if self.linear else guess_block(self.problem)

    @cached_property
    def starts(self) -> tuple[Block, ...]:
        """The blocks of initial conditions."""
        return tuple(block for block in self.blocks if block.name in self.initial)

    @cached_property
    def later(self) -> tuple[Block, ...]:
        """The other blocks, which every slab has."""
        return tuple(block for block in self.blocks if block.name not in self.initial)

    @cached_property
    def joins(self) -> tuple[Block, ...]:
        """The initial conditions, including hard ones, which join a later slab to the previous one."""
        return tuple(block for block in self._every if block.name in self.initial)

    @cached_property
    def initial(self) -> set[str]:
        """The names of the initial conditions."""
        return {name for name, condition in self.problem.conditions().items() if condition.is_start}

    @cached_property
    def first_axes(self) -> tuple[SplineAxis, ...]:
        """The spline axes at the start of the first pass: equidistant, or finer where a source needs it."""
        axes, equation = self._usual_axes, self.blocks[0]
        if self.slabbed or not self.foreseeable or self.intervals is not None or equation.kind != "residual":
            return axes
        return axes_of_source(axes, equation, self.problem, self.order, self.tolerances)

    @cached_property
    def _usual_axes(self) -> tuple[SplineAxis, ...]:
        """Spline axes with equidistant breakpoints, as fine as those of unknown functions, which must change freely."""
        domain = self.problem.domain
        default = self.tolerances.first_intervals[domain.dimension - 1]
        # A periodic axis has as many functions as intervals, and begins with as many as any other.
        counts = dict.fromkeys(self.along, self.intervals or default + self.degree * self.periodic)
        if self.intervals is None:
            for each in self.problem.expansions:
                counts.update({a: max(counts[a], each.function.intervals) for a in each.axes})
        if self.intervals is None and any(function.in_hole for function in self.singular):
            widths = domain.high - domain.low  # Laplace's equation has the same scale along both axes
            counts = {a: math.ceil(counts[a] * widths[a] / math.sqrt(math.prod(widths))) for a in self.along}
        periodic = (False,) * domain.dimension if self.ansatz is None else self.ansatz.periodic
        around = [True] * domain.dimension if self.periodic else periodic
        return tuple(
            SplineAxis(np.linspace(domain.low[a], domain.high[a], counts[a] + 1), self.degree, around[a], self.sparse)
            for a in self.along
        )

    def part(self, low: float, high: float) -> Domain:
        """Return the part of the domain between two shares of time."""
        return part_of(self.problem, self.slabbed, low, high)

    def space(self, axes: Sequence[SplineAxis], low: float, high: float) -> TensorProduct:
        """Return the tensor product on that part with these spline axes; the last one is kept with its functions."""
        key = (*axes, low, high)
        if key not in self._spaces:
            self._spaces.clear()
            self._spaces[key] = space(self.part(low, high), axes, self.degree_in_time, self.singular)
        return self._spaces[key]

    @cached_property
    def _spaces(self) -> dict[tuple[object, ...], TensorProduct]:
        return {}

    @cached_property
    def singular(self) -> tuple[SingularFunction, ...]:
        """The singular functions at corners and of holes that enrich the space."""
        return singular_functions(self.problem)

    @cached_property
    def more_singular(self) -> tuple[SingularFunction, ...]:
        """The same with longer series about holes, which show what those leave."""
        return singular_functions(self.problem, more=True) if self.singular else ()


def space(
    domain: Domain,
    axes: Sequence[SplineAxis],
    degree_in_time: int | None,
    functions: Sequence[SingularFunction] = (),
) -> TensorProduct:
    """Return the tensor product of spline axes on `domain` and, if a degree is given, of polynomials in time.

    It is enriched by singular functions if there are any.
    """
    every: list[Axis] = [*axes]
    if degree_in_time is not None:
        assert domain.time is not None
        every.insert(domain.time, LegendreAxis(times_of(domain), degree_in_time))
    return product_of(every, functions)


def times_of(domain: Domain) -> Array:
    """Return the first and the last time of a domain, (2,)."""
    assert domain.time is not None
    return np.array([domain.low[domain.time], domain.high[domain.time]])
