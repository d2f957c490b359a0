"""Choose the lines and planes of the domain that are drawn, and the points on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.plots.drawable import DrawableDomain
from kanpde.plots.style import latex_name, number

LINE, PLANE, SMALL_PLANE = 1001, 201, 121  # points along each side of a line, of one map, of one of several maps
NUDGE = 1e-3  # of the domain's length, by which a cut is moved inwards to draw the boundary
MOST_PLANES = 6  # largest number of planes of neighbouring axes
SAMPLES = 4096  # of the possible cuts' crossings, at which the solution's size is measured, if there are more
FRACTIONS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)  # of the domain's length at which a cut may be made, best first


@dataclass(frozen=True)
class Slice:
    """A line or plane parallel to the axes: the axes shown (horizontal first); all other coordinates are fixed."""

    domain: DrawableDomain
    axes: tuple[int, ...]
    points: int
    fixed: dict[int, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The fixed coordinates: z = 0.5, t = 1."""
        parts = [f"${latex_name(self.domain.names[a])}$ = {number(v)}" for a, v in sorted(self.fixed.items())]
        return ",  ".join(parts)

    @property
    def extent(self) -> tuple[float, ...]:
        """The bounds low and high of every axis shown."""
        return tuple(float(b[a]) for a in self.axes for b in (self.domain.low, self.domain.high))

    def coordinates(self) -> dict[str, Array]:
        """Return every coordinate on the grid: (points,) for a line, (points, points) for a plane, rows upwards."""
        low, high = self.domain.low, self.domain.high
        lines = [np.linspace(low[a], high[a], self.points) for a in self.axes]
        shown = dict(zip(self.axes, np.meshgrid(*lines, indexing="xy"), strict=True))
        fixed = {a: np.full_like(next(iter(shown.values())), value) for a, value in self.fixed.items()}
        return {name: (shown | fixed)[a] for a, name in enumerate(self.domain.names)}

    def level(self) -> Array | None:
        """Return the domain's level on the grid, negative inside; None if the domain has no level."""
        inside = getattr(self.domain, "inside", None)
        if inside is None:
            return None
        points = np.stack([*self.coordinates().values()], axis=-1)
        nudge = NUDGE * (self.domain.high - self.domain.low)
        multiplies = getattr(getattr(self.domain, "factor", None), "names", ())
        for axis in self.fixed:
            low, high = self.domain.low[axis] + nudge[axis], self.domain.high[axis] - nudge[axis]
            # A coordinate that multiplies a shape bounds the level near its ends, which says nothing of the outline.
            product = self.domain.names[axis] in multiplies
            points[..., axis] = (low + high) / 2 if product else np.clip(points[..., axis], low, high)
        return np.asarray(inside(points))


def slices(domain: DrawableDomain, magnitude: Callable[[dict[str, Array]], Array]) -> tuple[Slice, ...]:
    """Return the whole domain in one or two dimensions, else one plane at four times or planes of neighbouring axes.

    `magnitude` maps named coordinates to the size of the solution. A cut goes through the middle of the domain unless
    the solution nearly vanishes there, as an odd function does.
    """
    space = [a for a in range(len(domain.names)) if a != domain.time]
    if len(domain.names) == 1:
        return (Slice(domain, (0,), LINE),)
    if len(domain.names) == 2:
        # The horizontal axis is time, as in papers, or else the first coordinate.
        return (Slice(domain, (1, 0) if domain.time == 1 else (0, 1), PLANE),)
    cuts = _cuts(domain, space, magnitude)
    if domain.time is not None:
        t, plane = domain.time, (space[0], space[1])
        rest = {a: cuts[a] for a in space[2:]}
        times = np.linspace(domain.low[t], domain.high[t], 4)
        return tuple(Slice(domain, plane, SMALL_PLANE, {**rest, t: float(time)}) for time in times)
    planes = [(a, space[(i + 1) % len(space)]) for i, a in enumerate(space)][:MOST_PLANES]
    return tuple(Slice(domain, p, SMALL_PLANE, {a: cuts[a] for a in space if a not in p}) for p in planes)


def _cuts(domain: DrawableDomain, space: list[int], magnitude: Callable[[dict[str, Array]], Array]) -> dict[int, float]:
    """Return for each axis in space the coordinate nearest the middle at which the solution is not negligible."""
    unit, dimension = np.sort(np.array(FRACTIONS)), len(domain.names)
    if len(unit) ** dimension <= SAMPLES:
        places = np.stack(np.meshgrid(*[np.arange(len(unit))] * dimension, indexing="ij"), axis=-1).reshape(
            -1, dimension
        )
    else:
        places = np.random.default_rng(0).integers(len(unit), size=(SAMPLES, dimension))
    points = domain.low + unit[places] * (domain.high - domain.low)
    level = getattr(domain, "inside", None)
    inside = np.full(len(points), True) if level is None else np.asarray(level(points)) <= 0
    square = np.zeros(len(points))
    square[inside] = np.nan_to_num(magnitude(dict(zip(domain.names, points[inside].T, strict=True))) ** 2)
    cuts = {}
    for axis in space:
        means = [square[places[:, axis] == i].mean() for i in range(len(unit))]
        strength = dict(zip(unit.tolist(), np.sqrt(means).tolist(), strict=True))
        threshold = 0.1 * max(strength.values())
        fraction = next(f for f in FRACTIONS if strength[f] >= threshold)
        cuts[axis] = float(domain.low[axis] + fraction * (domain.high[axis] - domain.low[axis]))
    return cuts
