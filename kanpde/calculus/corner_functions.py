"""Functions singular at a corner or in a hole of the plane: Im or Re of z^a z̄^b (log z), with partials in closed form.

With z = e^{-iφ}(x + iy - corner)/R, where φ is the direction of the corner's first side and R a length,
Im z^α = r^α sin αθ and Re z^α = r^α cos αθ are harmonic. A power of z̄ beside them, such as
r^{α+2k} sin αθ = Im z^{α+k} z̄^k, serves equations with more terms than Laplace's: the Bessel functions
J_α(√λ r) sin αθ are series of these. A point in a hole is a corner with the opening 2π: Re and Im of z^{-n} are
multipoles, and Re log z = log r. If the principal part is not Laplace's, or the hole is long, w of `slits` stands for
z.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.calculus.slits import Outside

TINY = 1e-30  # radius below which derivatives are those of this radius, so that they stay finite


@dataclass(frozen=True)
class Corner:
    """A corner at `at`; the domain lies between the angles `first` and `first` + `opening`, anticlockwise.

    Distances from it are divided by `radius`. Powers of z jump on a ray through the outside's middle. If a `pole` is
    given, w = z / (1 - z/pole) stands for z in non-whole powers and logarithms, and the jump ends at the pole. If a
    `slit` is given, it has Re and Im of ζ₁ and ζ₂ and the focus of a slit about the corner.
    """

    at: tuple[float, float]
    first: float
    opening: float
    radius: float = 1.0
    pole: tuple[float, float] | None = None
    slit: tuple[float, float, float, float, float] | None = None

    @property
    def distance(self) -> float:
        """The distance of the pole, divided by `radius`; infinite if there is none."""
        return math.inf if self.pole is None else math.dist(self.at, self.pole) / self.radius

    @property
    def direction(self) -> float:
        """The angle between the first side and the ray or segment on which the functions jump, at most 2π."""
        if self.pole is None:
            return self.opening / 2 + math.pi
        angle = math.atan2(self.pole[1] - self.at[1], self.pole[0] - self.at[0]) - self.first
        return angle % (2 * math.pi)

    def polar(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return r / radius and θ (n,) of points (n, 2); θ is 0 on the first side and jumps in the outside's middle."""
        x, y = points[:, 0] - self.at[0], points[:, 1] - self.at[1]
        least = self.first + self.direction - 2 * math.pi
        angle = torch.remainder(torch.atan2(y, x) - least, 2 * math.pi) + least - self.first
        return (torch.hypot(x, y) / self.radius).clamp_min(torch.finfo(x.dtype).tiny), angle

    def outside(self, points: Tensor) -> Outside | None:
        """Return points (n, 2) outside the slit; None if there is none."""
        if self.slit is None:
            return None
        x, y = ((points[:, a] - self.at[a]) / self.radius for a in (0, 1))
        return Outside(x, y, (complex(*self.slit[:2]), complex(*self.slit[2:4])), self.slit[4])

    def mapped(self, r: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Return |w| and arg w (n,) of points in polar coordinates; those of z without a pole."""
        if self.pole is None:
            return r, angle
        away = 1 - torch.polar(r / self.distance, angle - self.direction)
        size, turn = away.abs().clamp_min(TINY), away.angle()
        return r / size, angle - turn


class Around:
    """Points about a corner, and the terms there that functions of the same powers share, of which Re and Im are one.

    `places` are z and w in polar coordinates and log |w|; first those of values, then those of derivatives, for which
    the points keep away from the corner.
    """

    def __init__(self, corner: Corner, points: Tensor) -> None:
        self.outside = corner.outside(points)
        self._corner, self._points = corner, points
        self._powers: tuple[float, int] | None = None
        self._terms: dict[tuple[float, ...], tuple[Tensor, Tensor, Tensor]] = {}

    @cached_property
    def places(self) -> tuple[Place, Place]:
        """The points for values and for derivatives."""
        r, angle = self._corner.polar(self._points)
        return self._place(r, angle), self._place(r.clamp_min(TINY), angle)

    def _place(self, r: Tensor, angle: Tensor) -> Place:
        size, turned = self._corner.mapped(r, angle)
        return Place(r, angle, size, turned, size.log())

    def term(
        self, powers: tuple[float, int], key: tuple[float, ...], compute: Callable[[], tuple[Tensor, Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what was computed for a key since a function had other powers, or compute it."""
        if powers != self._powers:
            self._powers, self._terms = powers, {}
        if key not in self._terms:
            self._terms[key] = compute()
        return self._terms[key]


@dataclass(frozen=True)
class Place:
    """Polar coordinates of z and of w, and log |w|, (n,) each."""

    r: Tensor
    angle: Tensor
    size: Tensor
    turned: Tensor
    log: Tensor


@dataclass(frozen=True)
class CornerFunction:
    """Im z^a z̄^b, with a = `power` and b = `conjugate`; Re if `even`; times log z inside if `log`.

    With `modulus` log |z|, which does not jump, stands for log z; then a is whole and not negative.
    """

    corner: Corner
    power: float
    conjugate: int = 0
    even: bool = False
    log: bool = False
    modulus: bool = False

    @property
    def exponent(self) -> float:
        """The power of r."""
        return self.power + self.conjugate

    @property
    def in_hole(self) -> bool:
        """True if the function is unbounded, as about a point that lies in a hole."""
        return self.power < 0 or (self.log and self.exponent == 0)

    def jets(self, points: Tensor, plan: JetPlan, around: Around | None = None) -> Tensor:
        """Return the partials (n, S) at points (n, 2), which are those `around` its corner."""
        around = around or Around(self.corner, points)
        if self.modulus:  # log z + log z̄ = 2 log |z|
            plain = replace(self, modulus=False)
            other = replace(plain, power=float(self.conjugate), conjugate=int(self.power))
            pair = [each.jets(points, plan, around) for each in (plain, other)]
            return (pair[0] + pair[1] if self.even else pair[0] - pair[1]) / 2
        outside = around.outside
        if outside is not None:
            return torch.stack([self._about_slit(outside, partial) for partial in plan.partials], dim=1)
        return torch.stack([self._partial(around, partial) for partial in plan.partials], dim=1)

    def _about_slit(self, outside: Outside, partial: tuple[int, ...]) -> Tensor:
        found = outside.partial(int(self.power), self.conjugate, partial.count(1), len(partial), log=self.log)
        return (found.real if self.even else found.imag) / self.corner.radius ** len(partial)

    def _partial(self, around: Around, partial: tuple[int, ...]) -> Tensor:
        """Return ∂_x^p ∂_y^q, where ∂_x = e^{-iφ}∂_z + e^{iφ}∂_z̄ and ∂_y = i (e^{-iφ}∂_z - e^{iφ}∂_z̄)."""
        order, ups, corner = len(partial), partial.count(1), self.corner
        place = around.places[bool(partial)]
        total = torch.zeros_like(place.r)
        for bars, share in enumerate(binomials(order - ups, ups)):  # of ∂_z^{order - bars} ∂_z̄^bars
            share *= math.perm(self.conjugate, bars)
            plains = order - bars
            for k in range(1 if corner.pole is None else plains + 1) if share else ():
                plain, logarithmic = coefficients(self.power, plains - k, self.log, k)
                shared = functools.partial(self._term, place, order, ups, bars, k)
                cos, sin, power = around.term((self.power, self.conjugate), (order, ups, bars, k), shared)
                one, other = (cos, -sin) if self.even else (sin, cos)
                term = plain * one
                if logarithmic:  # log w = log |w| + i arg w
                    term = term + logarithmic * (place.log * one + place.turned * other)
                total = total + share * math.comb(plains, k) / corner.distance**k * power * term
        return total / corner.radius**order

    def _term(self, place: Place, order: int, ups: int, bars: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the cosine and the sine of a term's angle, and its power of the distances."""
        plains, corner = order - bars, self.corner
        turn = (self.power + k) * place.turned - (plains + self.conjugate - bars) * place.angle - k * corner.direction
        turn = turn - (order - 2 * bars) * corner.first + ups * math.pi / 2
        power = place.size ** (self.power + k) * place.r ** (self.conjugate - order)
        return torch.cos(turn), torch.sin(turn), power


def binomials(plus: int, minus: int) -> list[int]:
    """Return the coefficients of (1 + w)^plus (1 - w)^minus, the lowest power first."""
    found = [1]
    for sign in [1] * plus + [-1] * minus:
        found = [a + sign * b for a, b in zip([*found, 0], [0, *found], strict=True)]
    return found


def coefficients(power: float, order: int, log: bool, rising: int = 0) -> tuple[float, float]:
    """Return A and B of d^n/dz^n z^a (log z) = z^{a-n} (A + B log z).

    They are multiplied as those of a (a + 1) … in as many factors as `rising`, and A has the derivative by a then.
    """
    plain, logarithmic = (0.0, 1.0) if log else (1.0, 0.0)
    for shift in (*range(0, -order, -1), *range(rising)):
        plain, logarithmic = (power + shift) * plain + logarithmic, (power + shift) * logarithmic
    return plain, logarithmic
