"""Solve an attempt of a march by conjugate gradients in a space that satisfies the conditions, and measure it.

One call is one Gauss–Newton step about a function v: the equation is linearised at v on the grid of Gauss points, and
the correction takes the values of the conditions that v misses. The preconditioner has the mean slopes of the equation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.geometry.domain import Domain, face_measure
from kanpde.marching.axes import Axis
from kanpde.marching.separable.modes import Modes
from kanpde.marching.separable.solver import Slope, Solved, Space, by_orders, combined, solve
from kanpde.marching.separable.structure import EndCondition, Structure
from kanpde.marching.separable.tensor_grid import GridRows, Orders, expand, grid_jets, orders_of
from kanpde.marching.system import FLOOR


@dataclass(frozen=True, eq=False)
class Spline:
    """A function of one field in a tensor product, with coefficients (*shape)."""

    axes: tuple[Axis, ...]
    coefficients: Array

    def jets(self, lines: Sequence[Array], partials: Sequence[Orders]) -> dict[Orders, Array]:
        """Return partials on the grid of lines (n_a,), with the last axis first."""
        return grid_jets(self.axes, self.coefficients, lines, partials)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of an equation and its conditions on a domain, of which time may be a part.

    The conditions of the blocks in `joined` have the values of the function `before`, at the end of its time.
    """

    structure: Structure
    domain: Domain
    before: Spline | None = None
    joined: tuple[str, ...] = ()

    @property
    def partials(self) -> list[Orders]:
        """The orders of the partials in the equation."""
        plan = GridRows(self.structure.equation, self.domain.names, [np.zeros(1)] * self.domain.dimension).plan
        return [orders_of(partial, self.domain.dimension) for partial in plan.partials]

    def equation(self, lines: Sequence[Array], about: Spline | None) -> tuple[Array, dict[Orders, Slope]]:
        """Return the equation's rows of a function on the grid of lines, and their slopes by its partials."""
        grid = GridRows(self.structure.equation, self.domain.names, lines)
        dimension = self.domain.dimension
        if self.structure.constant:
            slopes = by_orders(dict(self.structure.slopes), dimension)
            rows = grid.rows({})
            return (rows if about is None else rows + combined(slopes, about.jets(lines, [*slopes]))), slopes
        names = {orders_of(partial, dimension): partial for partial in grid.plan.partials}
        jets = {} if about is None else about.jets(lines, [*names])
        rows, found = grid.slopes({names[orders]: each for orders, each in jets.items()})
        return rows, {orders: each for orders, each in by_orders(found, dimension).items() if np.any(each)}

    def misfit(self, end: EndCondition, lines: Sequence[Array], about: Spline | None) -> Array:
        """Return the values that a function misses of a condition, on the grid of the other axes' lines."""
        low, high = self.domain.low, self.domain.high

        def along(spline: Spline, parts: Sequence[tuple[float, int, float]]) -> Array:
            total = np.zeros([len(line) for line in lines])
            for place, order, value in parts:
                orders = tuple(order if a == end.axis else 0 for a in range(self.domain.dimension))
                full = [*lines]
                full.insert(end.axis, np.array([place]))
                jet = spline.jets(full, [orders])[orders]
                total += value * np.moveaxis(jet, 0, -1).reshape(total.shape)
            return total

        ends = [((low, high)[side][end.axis], order, value) for side, order, value in end.parts]
        if self.before is not None and end.block.name in self.joined:
            last = self.before.axes[end.axis].breakpoints[-1]
            given = along(self.before, [(last, order, value) for _, order, value in end.parts])
        else:
            full = [*lines]
            full.insert(end.axis, np.array([(low, high)[end.side][end.axis]]))
            grid = GridRows(end.block, self.domain.names, full, end.number, end.component)
            given = -np.moveaxis(grid.rows({}), 0, -1).reshape([len(line) for line in lines])
        return given if about is None else given - along(about, ends)


def step(rows: Rows, space: Space, about: Spline | None) -> Solved | None:
    """Return the function after a Gauss–Newton step from `about`, or zero; None if the equation has no regular mode."""
    residual, slopes = rows.equation(space.lines, about)
    modes = preconditioner(space, slopes)
    if not modes.regular:
        return None
    data = lambda end, lines: rows.misfit(end, lines, about)  # noqa: E731
    return solve(space, slopes, residual * space.roots, data, modes)


def preconditioner(space: Space, slopes: Mapping[Orders, Slope]) -> Modes:
    """Return the modes of the mean slopes."""
    weights = np.square(space.roots)
    means = {o: float(np.sum(weights * s)) if isinstance(s, np.ndarray) else s for o, s in slopes.items()}
    return Modes(space.axes, means)


@dataclass(frozen=True)
class Measures:
    """The relative residual of the equation and its conditions, the root mean square of their rows, and of points."""

    residual: float
    rms: dict[str, float]
    points: int


def measure(rows: Rows, space: Space, found: Spline, checked: int) -> Measures:
    """Return the measures of a function, at points that the solver did not use; see `System` for the scales."""
    sizes = sizes_of(space, rows, found)
    lines, weights = check_grid([each.axis for each in space.axes], checked)
    here, slopes = rows.equation(lines, found)
    square = float(np.sum(weights * np.square(here)))
    jets = expand([axis.factors for axis in space.axes], [*slopes], found.coefficients) if rows.structure.constant else {}
    terms = combined_sizes(slopes, jets) if jets else terms_on(lines, weights, slopes, found)
    steep = {o: float(np.sqrt(np.sum(weights * np.square(s)))) for o, s in slopes.items()}
    scale = max(terms, FLOOR * sum(steep[o] * sizes[o] for o in slopes)) or 1.0
    total, rms = square / scale**2, {rows.structure.equation.name: math.sqrt(square)}
    for end in rows.structure.ends:
        others = [axis for a, axis in enumerate(space.axes) if a != end.axis]
        missed = rows.misfit(end, [axis.points for axis in others], found)
        for a, axis in enumerate(others):
            missed = missed * np.sqrt(axis.weights).reshape([-1 if a == b else 1 for b in range(len(others))])
        faces = [face_measure(rows.domain, face) for face in end.block.faces]
        square = float(np.sum(np.square(missed))) * faces[end.number] / sum(faces)
        scale = sum(abs(c) * sizes[along_axis(end.axis, m, rows.domain.dimension)] for _, m, c in end.parts) or 1.0
        total += end.block.weight * square / scale**2
        rms[end.block.name] = math.hypot(rms.get(end.block.name, 0.0), math.sqrt(square))
    return Measures(math.sqrt(total), rms, math.prod(len(axis.points) for axis in space.axes))


def along_axis(axis: int, order: int, dimension: int) -> Orders:
    """Return the orders of a derivative along one axis."""
    return tuple(order if a == axis else 0 for a in range(dimension))


def sizes_of(space: Space, rows: Rows, found: Spline) -> dict[Orders, float]:
    """Return the root mean square of the partials, each at least that of the function divided by the box's widths."""
    dimension = len(space.axes)
    wanted = {*rows.partials, (0,) * dimension}
    for end in rows.structure.ends:
        wanted |= {along_axis(end.axis, order, dimension) for _, order, _ in end.parts}
    factors = [axis.factors for axis in space.axes]
    norms = {orders: float(np.linalg.norm(expand(factors, [orders], found.coefficients)[orders])) for orders in wanted}
    whole = norms[(0,) * dimension] or 1.0
    widths = rows.domain.high - rows.domain.low
    return {orders: max(norm, whole / float(np.prod(widths ** np.array(orders)))) for orders, norm in norms.items()}


def combined_sizes(slopes: dict[Orders, Slope], jets: dict[Orders, Array]) -> float:
    """Return the root mean square of Σ_S |s_S ∂^S u| from jets with the roots of the weights in them."""
    return float(np.linalg.norm(sum(np.abs(slope) * np.abs(jets[orders]) for orders, slope in slopes.items())))


def terms_on(lines: Sequence[Array], weights: Array, slopes: dict[Orders, Slope], found: Spline) -> float:
    """Return the same on the grid of the slopes."""
    jets = found.jets(lines, [*slopes])
    total = sum(np.abs(slope * jets[orders]) for orders, slope in slopes.items())
    return float(np.sqrt(np.sum(weights * np.square(total))))


def check_grid(axes: Sequence[Axis], checked: int) -> tuple[list[Array], Array]:
    """Return a grid of random lines as fine as the intervals, and its weights with the last axis first."""
    random = np.random.default_rng(0)
    lines, shares = [], []
    for axis in axes:
        b, each = axis.breakpoints, max(2, math.ceil(checked / axis.intervals))
        places = (np.arange(axis.intervals * each) + random.random(axis.intervals * each)) / each
        lines.append(np.interp(places, np.arange(len(b)), b))
        shares.append(np.repeat(np.diff(b), each) / (each * (b[-1] - b[0])))
    weights = np.ones(())
    for share in (shares[-1], *shares[:-1]):
        weights = np.multiply.outer(weights, share)
    return lines, weights
