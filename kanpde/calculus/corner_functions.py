"""Functions singular at a corner or in a hole of the plane: Im or Re of z^a z̄^b (log z), with partials in closed form.

With z = e^{-iφ}(x + iy - corner)/R, where φ is the direction of the corner's first side and R a length,
Im z^α = r^α sin αθ and Re z^α = r^α cos αθ are harmonic. A power of z̄ beside them, such as
r^{α+2k} sin αθ = Im z^{α+k} z̄^k, serves equations with more terms than Laplace's: the Bessel functions
J_α(√λ r) sin αθ are series of these. A point in a hole is a corner with the opening 2π: Re and Im of z^{-n} are
multipoles, and Re log z = log r.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan

TINY = 1e-30  # radius below which a singular function is that of this radius, so that it stays finite


@dataclass(frozen=True)
class Corner:
    """A corner at `at`; the domain lies between the angles `first` and `first` + `opening`, anticlockwise.

    Distances from it are divided by `radius`.
    """

    at: tuple[float, float]
    first: float
    opening: float
    radius: float = 1.0

    def polar(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return r / radius and θ (n,) of points (n, 2); θ is 0 on the first side and jumps in the outside's middle."""
        x, y = points[:, 0] - self.at[0], points[:, 1] - self.at[1]
        least = self.first - (2 * math.pi - self.opening) / 2
        angle = torch.remainder(torch.atan2(y, x) - least, 2 * math.pi) + least - self.first
        return (torch.hypot(x, y) / self.radius).clamp_min(TINY), angle


@dataclass(frozen=True)
class CornerFunction:
    """Im z^a z̄^b, with a = `power` and b = `conjugate`; Re if `even`; times log z inside if `log`."""

    corner: Corner
    power: float
    conjugate: int = 0
    even: bool = False
    log: bool = False

    @property
    def exponent(self) -> float:
        """The power of r."""
        return self.power + self.conjugate

    @property
    def in_hole(self) -> bool:
        """True if the function is unbounded, as about a point that lies in a hole."""
        return self.power < 0 or (self.log and self.exponent == 0)

    def jets(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Return the partials (n, S) at points (n, 2)."""
        r, angle = self.corner.polar(points)
        return torch.stack([self._partial(r, angle, partial) for partial in plan.partials], dim=1)

    def _partial(self, r: Tensor, angle: Tensor, partial: tuple[int, ...]) -> Tensor:
        """Return ∂_x^p ∂_y^q, where ∂_x = e^{-iφ}∂_z + e^{iφ}∂_z̄ and ∂_y = i (e^{-iφ}∂_z - e^{iφ}∂_z̄)."""
        order, ups = len(partial), partial.count(1)
        size, total = r ** (self.exponent - order) / self.corner.radius**order, torch.zeros_like(r)
        for bars, share in enumerate(binomials(order - ups, ups)):  # of ∂_z^{order - bars} ∂_z̄^bars
            share *= math.perm(self.conjugate, bars)
            if not share:
                continue
            plain, logarithmic = coefficients(self.power, order - bars, self.log)
            turn = (self.power - self.conjugate - order + 2 * bars) * angle
            turn = turn - (order - 2 * bars) * self.corner.first + ups * math.pi / 2
            cos, sin = torch.cos(turn), torch.sin(turn)
            one, other = (cos, -sin) if self.even else (sin, cos)
            term = plain * one
            if logarithmic:  # log z = log r + iθ
                term = term + logarithmic * (r.log() * one + angle * other)
            total = total + share * term
        return size * total


def binomials(plus: int, minus: int) -> list[int]:
    """Return the coefficients of (1 + w)^plus (1 - w)^minus, the lowest power first."""
    found = [1]
    for sign in [1] * plus + [-1] * minus:
        found = [a + sign * b for a, b in zip([*found, 0], [0, *found], strict=True)]
    return found


def coefficients(power: float, order: int, log: bool) -> tuple[float, float]:
    """Return A and B of d^n/dz^n z^a (log z) = z^{a-n} (A + B log z)."""
    plain, logarithmic = (0.0, 1.0) if log else (1.0, 0.0)
    for n in range(order):
        plain, logarithmic = (power - n) * plain + logarithmic, (power - n) * logarithmic
    return plain, logarithmic


def jets_of(functions: Sequence[CornerFunction], points: Tensor, plan: JetPlan) -> Tensor:
    """Return the partials (n, S, K) of K functions at points (n, 2)."""
    if not functions:
        return points.new_zeros(len(points), len(plan), 0)
    return torch.stack([function.jets(points, plan) for function in functions], dim=2)
