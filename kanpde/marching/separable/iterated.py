"""Solve an attempt of a march by conjugate gradients in a space that satisfies the conditions, and measure it.

One call is one Gauss–Newton step about a function v: the equation is linearised at v on the grid of Gauss points, and
the correction takes the values of the conditions that v misses. The preconditioner has the mean slopes of the equation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import plan_of
from kanpde.geometry.domain import Domain, face_measure
from kanpde.marching.axes import Axis
from kanpde.marching.separable.along_axis import AlongAxis, outer, placed
from kanpde.marching.separable.modes import Modes
from kanpde.marching.separable.solver import (
    Combination,
    Slope,
    Solved,
    Space,
    by_orders,
    solve,
    weighted,
)
from kanpde.marching.separable.structure import EndCondition, Structure
from kanpde.marching.separable.tensor_grid import GridRows, Orders, expand, orders_of
from kanpde.marching.system import FLOOR

THINNED = 30_000  # number of unknowns from which one line of an interval is enough to measure a residual


class GridFunction(Protocol):
    """A function of one field on grids."""

    def jets(self, lines: Sequence[Array], partials: Sequence[Orders], /) -> dict[Orders, Tensor]:
        """Return partials on the grid of lines (n_a,), with the last axis first."""
        ...

    def combined(self, lines: Sequence[Array], slopes: Mapping[Orders, Slope], /) -> Tensor:
        """Return the sum of partials times constant slopes on the grid."""
        ...


@dataclass(frozen=True, eq=False)
class Total:
    """The sum of two functions."""

    first: GridFunction
    second: GridFunction

    def jets(self, lines: Sequence[Array], partials: Sequence[Orders]) -> dict[Orders, Tensor]:
        """Return partials on the grid of lines (n_a,), with the last axis first."""
        one, other = (each.jets(lines, partials) for each in (self.first, self.second))
        return {orders: one[orders] + other[orders] for orders in partials}

    def combined(self, lines: Sequence[Array], slopes: Mapping[Orders, Slope]) -> Tensor:
        """Return the sum of partials times constant slopes on the grid."""
        return self.first.combined(lines, slopes) + self.second.combined(lines, slopes)


@dataclass(frozen=True, eq=False)
class Spline:
    """A function of one field in a tensor product, with coefficients (*shape), on whose device its values are."""

    axes: tuple[Axis, ...]
    coefficients: Tensor

    def jets(self, lines: Sequence[Array], partials: Sequence[Orders]) -> dict[Orders, Tensor]:
        """Return partials on the grid of lines (n_a,), with the last axis first."""
        return expand(self._along(lines, partials), partials, self.coefficients)

    def combined(self, lines: Sequence[Array], slopes: Mapping[Orders, Slope]) -> Tensor:
        """Return the sum of partials times constant slopes on the grid."""
        return Combination(self._along(lines, [*slopes]), slopes).values(self.coefficients)

    def _along(self, lines: Sequence[Array], partials: Sequence[Orders]) -> list[list[AlongAxis]]:
        most, device = 1 + max(max(orders) for orders in partials), self.coefficients.device
        return [AlongAxis.designs(axis, line, most, device) for axis, line in zip(self.axes, lines, strict=True)]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of an equation and its conditions on a domain, of which time may be a part.

    The conditions of the blocks in `joined` have the values of the function `before`, whose time ends where the
    domain's begins. All values are on the device.
    """

    structure: Structure
    domain: Domain
    device: torch.device
    before: GridFunction | None = None
    joined: tuple[str, ...] = ()

    @property
    def partials(self) -> list[Orders]:
        """The orders of the partials in the equation."""
        plan = plan_of(self.structure.equation, self.domain.dimension)
        return [orders_of(partial, self.domain.dimension) for partial in plan.partials]

    def equation(self, lines: Sequence[Array], about: GridFunction | None) -> tuple[Tensor, dict[Orders, Slope]]:
        """Return the equation's rows of a function on the grid of lines, and their slopes by its partials."""
        grid = GridRows(self.structure.equation, self.domain.names, lines, self.device)
        dimension = self.domain.dimension
        if self.structure.constant:
            slopes = by_orders(dict(self.structure.slopes), dimension)
            rows = grid.rows({})
            return (rows if about is None else rows + about.combined(lines, slopes)), slopes
        names = {orders_of(partial, dimension): partial for partial in grid.plan.partials}
        jets = {} if about is None else about.jets(lines, [*names])
        rows, found = grid.slopes({names[orders]: each for orders, each in jets.items()})
        return rows, {
            orders: each for orders, each in by_orders(found, dimension).items() if torch.any(torch.as_tensor(each))
        }

    def slopes(self, lines: Sequence[Array], about: GridFunction | None) -> dict[Orders, Slope]:
        """Return the slopes of the equation's rows on the grid of lines."""
        if self.structure.constant:
            return by_orders(dict(self.structure.slopes), self.domain.dimension)
        return self.equation(lines, about)[1]

    def misfit(self, end: EndCondition, lines: Sequence[Array], about: GridFunction | None) -> Tensor:
        """Return the values that a function misses of a condition, on the grid of the other axes' lines."""
        low, high = self.domain.low, self.domain.high

        def along(spline: GridFunction, parts: Sequence[tuple[float, int, float]]) -> Tensor:
            total = torch.zeros([len(line) for line in lines], dtype=torch.float64, device=self.device)
            for place, order, value in parts:
                orders = tuple(order if a == end.axis else 0 for a in range(self.domain.dimension))
                full = [*lines]
                full.insert(end.axis, np.array([place]))
                jet = spline.jets(full, [orders])[orders]
                total += value * jet.movedim(0, -1).reshape(total.shape)
            return total

        ends = [((low, high)[side][end.axis], order, value) for side, order, value in end.parts]
        if self.before is not None and end.block.name in self.joined:
            given = along(self.before, ends)
        else:
            full = [*lines]
            full.insert(end.axis, np.array([(low, high)[end.side][end.axis]]))
            grid = GridRows(end.block, self.domain.names, full, self.device, end.number, end.component)
            given = -grid.rows({}).movedim(0, -1).reshape([len(line) for line in lines])
        return given if about is None else given - along(about, ends)


def correction(rows: Rows, space: Space, modes: Modes | None, about: GridFunction | None) -> Solved:
    """Return the Gauss–Newton correction of a function, or of zero; the preconditioner is made if it is not given."""
    residual, slopes = rows.equation(space.lines, about)
    return corrected(rows, space, modes or preconditioner(space, slopes), about, residual, slopes)


def corrected(
    rows: Rows,
    space: Space,
    modes: Modes,
    about: GridFunction | None,
    residual: Tensor,
    slopes: Mapping[Orders, Slope],
) -> Solved:
    """Return the same from the equation's rows and slopes at the function."""

    def data(end: EndCondition, lines: Sequence[Array]) -> Tensor:
        return rows.misfit(end, lines, about)

    return solve(space, slopes, residual * space.roots, data, modes)


def projected(function: Spline, space: Space) -> Spline:
    """Return the least-squares fit of a function in another space, without its conditions."""
    found = function.coefficients
    for a, (old, axis) in enumerate(zip(function.axes, space.axes, strict=True)):
        (values,) = AlongAxis.designs(old, axis.points, 1, space.device)
        moved = found.movedim(a, 0)
        fitted = axis.fit(axis.roots[:, None] * (values @ moved.reshape(len(moved), -1)))
        found = fitted.reshape(-1, *moved.shape[1:]).movedim(0, a)
    return Spline(tuple(axis.axis for axis in space.axes), found.contiguous())


def preconditioner(space: Space, slopes: Mapping[Orders, Slope]) -> Modes:
    """Return the modes of the mean slopes."""
    weights = space.roots.square()
    means = {o: float((weights * s).sum()) if isinstance(s, Tensor) else s for o, s in slopes.items()}
    return Modes(space.axes, means)


@dataclass(frozen=True)
class Measures:
    """The norms of all blocks' rows relative to their terms, and the root mean squares of the rows themselves."""

    relative: dict[str, float]
    rms: dict[str, float]

    @property
    def residual(self) -> float:
        """The relative residual of the equation and its conditions."""
        return math.hypot(*self.relative.values())


@dataclass(frozen=True)
class Scales:
    """The size of the equation's terms, and of the field's partials, as root mean squares; see `System.rescale`."""

    equation: float
    partials: dict[Orders, float]

    @classmethod
    def of(cls, rows: Rows, space: Space, found: GridFunction) -> Scales:
        """Return those of a function on the grid of the space."""
        dimension = len(space.axes)
        none = (0,) * dimension
        wanted = {none: None, **dict.fromkeys(rows.partials)}
        for end in rows.structure.ends:
            wanted |= {along_axis(end.axis, order, dimension): None for _, order, _ in end.parts}
        slopes = rows.slopes(space.lines, found)
        terms, norms = torch.zeros_like(space.roots), {}
        jets = found.jets(space.lines, [*wanted])
        for orders in wanted:
            jet = jets.pop(orders) * space.roots
            norms[orders] = float(jet.norm())
            if orders in slopes:
                terms += (slopes[orders] * jet).abs()
        whole, widths = norms[none] or 1.0, rows.domain.high - rows.domain.low
        sizes = {o: max(norm, whole / float(np.prod(widths ** np.array(o)))) for o, norm in norms.items()}
        steep = {o: float((slope * space.roots).norm()) for o, slope in slopes.items()}
        scale = max(float(terms.norm()), FLOOR * sum(steep[o] * sizes[o] for o in slopes))
        return cls(scale or 1.0, sizes)


def measure(rows: Rows, space: Space, found: GridFunction, scales: Scales, checked: int) -> Measures:
    """Return the measures of a function, of the equation at points that the solver did not use."""
    lines, weights = check_grid([each.axis for each in space.axes], checked, space.device)
    here, _ = rows.equation(lines, found)
    root = math.sqrt(float((weights * here.square()).sum()))
    missed = conditions_missed(rows, space, found, scales)
    name = rows.structure.equation.name
    return Measures({name: root / scales.equation, **missed.relative}, {name: root, **missed.rms})


def conditions_missed(rows: Rows, space: Space, found: GridFunction, scales: Scales) -> Measures:
    """Return the measures of the conditions alone, on the grid of the space."""
    relative, rms = dict[str, float](), dict[str, float]()
    for end in rows.structure.ends:
        others = [axis for a, axis in enumerate(space.axes) if a != end.axis]
        missed = weighted(rows.misfit(end, [axis.points for axis in others], found), others)
        faces, name = [face_measure(rows.domain, face) for face in end.block.faces], end.block.name
        norm = float(missed.norm()) * math.sqrt(faces[end.number] / sum(faces))
        sizes = [abs(c) * scales.partials[along_axis(end.axis, m, len(space.axes))] for _, m, c in end.parts]
        scale = sum(sizes) / math.sqrt(end.block.weight)
        rms[name] = math.hypot(rms.get(name, 0.0), norm)
        relative[name] = math.hypot(relative.get(name, 0.0), norm / scale)
    return Measures(relative, rms)


def along_axis(axis: int, order: int, dimension: int) -> Orders:
    """Return the orders of a derivative along one axis."""
    return tuple(order if a == axis else 0 for a in range(dimension))


def check_grid(axes: Sequence[Axis], checked: int, device: torch.device) -> tuple[list[Array], Tensor]:
    """Return a grid of random lines as fine as the intervals, and its weights with the last axis first."""
    random, least = np.random.default_rng(0), 1 if math.prod(axis.size for axis in axes) > THINNED else 2
    lines, shares = [], []
    for axis in axes:
        b, each = axis.breakpoints, max(least, math.ceil(checked / axis.intervals))
        places = (np.arange(axis.intervals * each) + random.random(axis.intervals * each)) / each
        lines.append(np.interp(places, np.arange(len(b)), b))
        shares.append(np.repeat(np.diff(b), each) / (each * (b[-1] - b[0])))
    return lines, outer([placed(share, device) for share in shares])
