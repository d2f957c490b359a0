"""Maps between a cell of a domain and the unit box, with the partial derivatives of functions on either side."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, Constant, MultiIndex

# Maps a multi-index to the values (n, ...) of a partial derivative.
Partials = Callable[[MultiIndex], Tensor]
# A function of the plane, as factors of cosᵃθ sinᵇθ r⁻ᶜ by (a, b, c).
Coefficient = dict[tuple[int, int, int], float]
HALF = math.pi  # the angle that a polar frame spans


@dataclass(frozen=True, eq=False)
class Frame:
    """The affine map of the box from `low`, of sides `width`, (d,) each, to the unit box."""

    low: Array
    width: Array

    @functools.cached_property
    def _constants(self) -> tuple[Constant, Constant]:
        return Constant(self.low), Constant(self.width)

    def inwards(self, points: Tensor) -> Tensor:
        """Return points (n, d) of the domain as points of the unit box."""
        low, width = self._constants
        return (points - low.like(points)) / width.like(points)

    def outwards(self, points: Tensor) -> Tensor:
        """Return points (n, d) of the unit box as points of the domain."""
        low, width = self._constants
        return low.like(points) + width.like(points) * points

    def needed(self, partial: MultiIndex) -> tuple[MultiIndex, ...]:
        """Return the partials in the unit box of which one in the domain is made."""
        return (partial,)

    def physical(self, own: Partials, points: Tensor) -> Partials:
        """Return partials in the domain at its points (n, d), from those in the unit box."""
        return lambda partial: own(partial) / math.prod(float(self.width[axis]) for axis in partial)

    def spans(self, axes: Sequence[int]) -> Array:
        """Return the lengths along these axes."""
        return self.width[[*axes]]


@dataclass(frozen=True, eq=False)
class PolarFrame(Frame):
    """The map of a half of a ring about `center`, between two radii, to the unit box: first the radius, then the angle.

    The half is the upper one if `side` is 1, the lower one if it is -1. `plane` are the axes of the ring; along others
    the map is affine.
    """

    plane: tuple[int, int] = (0, 1)
    center: tuple[float, float] = (0.0, 0.0)
    radii: tuple[float, float] = (0.0, 1.0)
    side: int = 1

    def _away(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(points[..., axis] - c for axis, c in zip(self.plane, self.center, strict=True))  # type: ignore[return-value]

    def inwards(self, points: Tensor) -> Tensor:
        columns = list(super().inwards(points).unbind(dim=-1))
        (x, y), (inner, outer) = self._away(points), self.radii
        columns[self.plane[0]] = (torch.hypot(x, y) - inner) / (outer - inner)
        # The angle from the middle of the half, far from where it jumps.
        columns[self.plane[1]] = torch.atan2(-self.side * x, self.side * y) / HALF + 0.5
        return torch.stack(columns, dim=-1)

    def outwards(self, points: Tensor) -> Tensor:
        columns = list(super().outwards(points).unbind(dim=-1))
        inner, outer = self.radii
        radius = inner + (outer - inner) * points[..., self.plane[0]]
        angle = HALF * (points[..., self.plane[1]] - 0.5)
        columns[self.plane[0]] = self.center[0] - self.side * radius * torch.sin(angle)
        columns[self.plane[1]] = self.center[1] + self.side * radius * torch.cos(angle)
        return torch.stack(columns, dim=-1)

    def _split(self, partial: MultiIndex) -> tuple[int, int, MultiIndex]:
        a, b = self.plane
        return partial.count(a), partial.count(b), tuple(axis for axis in partial if axis not in self.plane)

    def _inner(self, radial: int, angular: int, rest: MultiIndex) -> MultiIndex:
        a, b = self.plane
        return tuple(sorted((*(a,) * radial, *(b,) * angular, *rest)))

    def needed(self, partial: MultiIndex) -> tuple[MultiIndex, ...]:
        first, second, rest = self._split(partial)
        return tuple(self._inner(i, j, rest) for i, j in polar(first, second))

    def physical(self, own: Partials, points: Tensor) -> Partials:
        x, y = self._away(points)
        radius = torch.hypot(x, y)
        cosine, sine, depth = x / radius, y / radius, self.radii[1] - self.radii[0]

        def coefficient(terms: Coefficient) -> Tensor:
            each = [f * cosine**a * sine**b / radius**c for (a, b, c), f in terms.items()]
            return torch.stack(each).sum(dim=0)

        def partial_of(partial: MultiIndex) -> Tensor:
            first, second, rest = self._split(partial)
            scale = 1.0 / math.prod(float(self.width[axis]) for axis in rest)
            total: Tensor | None = None
            for (i, j), terms in polar(first, second).items():
                value = own(self._inner(i, j, rest))
                factor = coefficient(terms) * (scale / (depth**i * HALF**j))
                part = factor.view(-1, *(1 for _ in value.shape[1:])) * value
                total = part if total is None else total + part
            assert total is not None
            return total

        return partial_of

    def spans(self, axes: Sequence[int]) -> Array:
        found = self.width.copy()
        inner, outer = self.radii
        found[[*self.plane]] = outer - inner, HALF * inner
        return np.asarray(found[[*axes]])


@functools.cache
def polar(first: int, second: int) -> dict[tuple[int, int], Coefficient]:
    """Return ∂x^first ∂y^second as a sum of coefficients times ∂r^i ∂θ^j, by (i, j).

    It follows from ∂x = cos θ ∂r - (sin θ / r) ∂θ and ∂y = sin θ ∂r + (cos θ / r) ∂θ.
    """
    if not first and not second:
        return {(0, 0): {(0, 0, 0): 1.0}}
    along = 0 if first else 1
    found: dict[tuple[int, int], Coefficient] = {}

    def add(order: tuple[int, int], power: tuple[int, int, int], factor: float) -> None:
        if factor:
            terms = found.setdefault(order, {})
            terms[power] = terms.get(power, 0.0) + factor

    for (i, j), terms in polar(first - 1 + along, second - along).items():
        for (a, b, c), f in terms.items():
            radial, angular = ((a + 1, b), (a, b + 1)) if along == 0 else ((a, b + 1), (a + 1, b))
            sign = -1.0 if along == 0 else 1.0
            add((i, j), (*radial, c + 1), -c * f)
            add((i + 1, j), (*radial, c), f)
            add((i, j + 1), (*angular, c + 1), sign * f)
            # ∂θ cosᵃ sinᵇ = -a cosᵃ⁻¹ sinᵇ⁺¹ + b cosᵃ⁺¹ sinᵇ⁻¹, times the angular factor.
            p, q = angular[0] - a, angular[1] - b
            if a:
                add((i, j), (a - 1 + p, b + 1 + q, c + 1), -sign * a * f)
            if b:
                add((i, j), (a + 1 + p, b - 1 + q, c + 1), sign * b * f)
    return found
