"""The singular functions of one corner or hole on the boundary: their series, and bounds at the corner itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array
from kanpde.calculus.corner_functions import CornerFunction
from kanpde.calculus.precision import UNIT, UPWARD
from kanpde.calculus.taylor_models import NotEnclosed
from kanpde.geometry.curves import Curve, Segment
from kanpde.marching.audit.boundary_series import TERMS, Complex, Pieces, Series
from kanpde.marching.audit.corner_frames import Frame, along, is_on

LOWEST = 1.5  # power from which on r^{a−1} log r falls near a corner


class Group:
    """The functions of one corner or hole: γ Z^a (log Z), with arrays γ, a and `log` (K,)."""

    def __init__(self, frame: Frame, functions: Sequence[CornerFunction], amounts: Array) -> None:
        self.frame, self.functions = frame, list(functions)
        self.at = complex(*frame.corner.at)
        self.gamma = np.array([c if f.even else -1j * c for f, c in zip(functions, amounts, strict=True)])
        self.power = np.array([frame.power(f) for f in functions])
        self.log = np.array([f.log for f in functions])
        whole = self.power == np.round(self.power)
        many = (~whole) | (self.log & ~((self.power == 0) & np.array([f.even for f in functions])))
        self.jumps = bool(many.any())
        if not frame.rays and self.jumps:
            raise NotEnclosed("singular functions of a hole that are not single-valued are not enclosed")
        if frame.rays and not (self.power > 0).all():
            raise NotEnclosed("singular functions that are not bounded at a corner are not enclosed")

    def distance(self, points: Complex) -> Array:
        return np.asarray(np.abs(points - self.at))

    def parameter(self, segment: Segment) -> float | None:
        """Return the parameter of this corner on a segment, None if it is not exactly that of an end."""
        if self.side(segment) is None:
            return None
        x, y = (Fraction(a) - Fraction(b) for a, b in zip(self.frame.corner.at, segment.first, strict=True))
        p, q = along(segment)
        exact = x / p if p else y / q
        return next((end for end in (segment.start, segment.end) if Fraction(end) == exact), None)

    def side(self, curve: Curve) -> int | None:
        """Return which of the corner's rays contains a segment, None if neither does."""
        if not isinstance(curve, Segment) or not is_on(curve, self.frame.corner.at):
            return None
        x, y = along(curve)
        middle = (curve.start + curve.end) / 2
        away = (complex(*curve.first) + middle * complex(float(x), float(y)) - self.at) * complex(float(x), -float(y))
        return self.frame.ray((x, y) if away.real > 0 else (-x, -y))

    def phases(self, number: int) -> Complex:
        """Return e^{iaθ} on a ray, exact where the power is a multiple of π / (2ω)."""
        if number == 0:
            return np.ones(len(self.power), dtype=complex)
        exact = [self.frame.quarters(function) for function in self.functions]
        turned = np.exp(1j * self.power * self.frame.opening)
        return np.array([t if n is None else (1, 1j, -1, -1j)[n % 4] for n, t in zip(exact, turned, strict=True)])

    def value_bound(self, distance: float, number: int | None) -> float:
        """Return a bound of |S| on the boundary up to a distance from the corner."""
        r, turned, theta = self._near(distance, number)
        real, imaginary = np.abs(turned.real), np.abs(turned.imag)
        if number is None:
            real = imaginary = np.abs(turned)
        return UPWARD * float((r**self.power * np.where(self.log, real * -math.log(r) + imaginary * theta, real)).sum())

    def slope_ball(self, distance: float, number: int | None) -> tuple[float, float]:
        """Return the middle and the radius of a ball that contains the outward slopes up to a distance from the corner.

        On a ray they are ± r^{a−1} Im[γ e^{iaθ} (a log Z + 1)], without the 1 for functions without a logarithm.
        """
        r, turned, theta = self._near(distance, number)
        a, radius, decay = self.power, self.frame.corner.radius, -math.log(r)
        if number is None:
            size = np.abs(turned) * np.where(self.log, a * (decay + theta) + 1, a)
            unbounded = (a < 1) | (self.log & (a < LOWEST))
            bounded = np.zeros_like(a)
        else:
            imaginary = np.abs(turned.imag)
            size = imaginary * np.where(self.log, a * decay + 1, a)
            unbounded = (imaginary > 0) & ((a < 1) | (self.log & (a < LOWEST)))
            bounded = np.where(self.log, turned.real * a * theta, 0.0)
        rounded = (a < LOWEST) & ~((a == 1) & self.frame.is_square)
        if (unbounded | (bounded != 0) & rounded).any():
            raise NotEnclosed(
                "the normal derivative of a singular function is not bounded where a side meets its corner"
            )
        constant = a == 1
        middle = -float(bounded[constant].sum()) / radius
        rest = size + np.where(constant, 100 * UNIT * len(a), 1.0) * np.abs(bounded)
        return middle, UPWARD * float((r ** np.maximum(a - 1, 0.0) * rest).sum()) / radius

    def _near(self, distance: float, number: int | None) -> tuple[float, Complex, float]:
        """Return r, γ e^{iaθ} and |θ|, or a bound of it, at a distance from the corner."""
        r = distance / self.frame.corner.radius
        if r > 1e-3:
            raise NotEnclosed("the boundary comes too close to a point of singular functions")
        turned = self.gamma if number is None else self.gamma * self.phases(number)
        return r, turned, 2 * math.pi if number is None else self.frame.opening * number

    def series(self, parts: Pieces, number: int | None, chosen: npt.NDArray[np.bool_]) -> Series:
        """Return the series on the chosen pieces, zero on the others."""
        count = len(parts.places)
        result = Series(
            np.zeros((count, TERMS), dtype=complex),
            np.zeros((count, TERMS + 1)),
            np.zeros((count, TERMS + 1)),
            np.zeros(count),
        )
        if not chosen.any():
            return result
        away = parts.middle[chosen] - self.at
        r, tau = np.abs(away) / self.frame.corner.radius, parts.step[chosen] / away
        log_r = np.log(r)
        size = np.abs(self.gamma) * r[:, None] ** self.power
        if number is None:
            theta = self._angles(away, np.abs(tau) * parts.reach)
            leading = self.gamma * r[:, None] ** self.power * np.exp(1j * self.power * theta[:, None])
            logarithm = log_r + 1j * theta
            second = leading * logarithm[:, None]
            sizes = [(size, size * np.abs(logarithm)[:, None])] * 2
        else:
            theta_ = self.frame.opening * number
            parameter = self.parameter(parts.curve) if isinstance(parts.curve, Segment) else None
            if parameter is not None:  # relative to the corner, so that no digits cancel
                assert isinstance(parts.curve, Segment)
                way = math.hypot(*map(float, along(parts.curve)))
                gap = parts.places[chosen] - parameter
                r, tau = np.abs(gap) * way / self.frame.corner.radius, parts.half[chosen] / gap + 0j
                log_r = np.log(r)
            tau = tau.real + 0j
            turned = self.gamma * self.phases(number)
            powers = r[:, None] ** self.power
            leading = turned * powers
            real, imaginary = np.abs(turned.real) * powers, np.abs(turned.imag) * powers
            lr = np.abs(log_r)[:, None]
            second = (leading.real * log_r[:, None] - leading.imag * theta_) + 1j * (
                leading.real * theta_ + leading.imag * log_r[:, None]
            )
            sizes = [
                (real, real * lr + imaginary * theta_),
                (imaginary, real * theta_ + imaginary * lr),
            ]
        p, q, q_size = binomials(self.power)
        plain = np.where(self.log, second, leading)
        weights = 250 + np.abs(self.power) * (400 + 100 * np.abs(log_r)[:, None]) + 2 * len(self.power) + 25 * TERMS
        found = tau[:, None] ** np.arange(TERMS) * (
            plain @ p[:, :TERMS] + np.where(self.log, leading, 0) @ q[:, :TERMS]
        )
        result.found[chosen] = found
        lengths = np.abs(tau)[:, None] ** np.arange(TERMS + 1)
        for target, (one, other) in zip((result.real, result.imaginary), sizes, strict=True):
            plain_size, log_size = np.where(self.log, other, one), np.where(self.log, one, 0.0)
            # A logarithm near zero has an absolute error.
            total = ((plain_size + log_size) * weights) @ np.abs(p) + (log_size * weights) @ q_size
            errors = UPWARD * UNIT * lengths * total
            exact = lengths[:, TERMS] * (plain_size @ np.abs(p[:, TERMS]) + log_size @ q_size[:, TERMS])
            errors[:, TERMS] = UPWARD * exact * (1 + 1e-9)
            target[chosen] = errors
        lowest = float(min(self.power.min(), 0.0))
        growth = (TERMS - lowest) / (TERMS + 1) + 1 / (TERMS + 1)
        if float(np.abs(self.power).max()) > TERMS:
            raise NotEnclosed("singular functions of so high an order are not enclosed")
        result.ratio[chosen] = UPWARD * np.abs(tau) * max(growth, 1.1)
        return result

    def _angles(self, away: Complex, spread: Array) -> Array:
        """Return arg Z at points; raise NotEnclosed if a function jumps within a share `spread` of their distances."""
        jump = self.frame.corner.direction
        angle = np.angle(away) - self.frame.first
        angle = np.mod(angle - (jump - 2 * math.pi), 2 * math.pi) + jump - 2 * math.pi
        width = np.arcsin(np.minimum(spread, 1.0)) + 1e-9
        if self.jumps and ((angle + width >= jump) | (angle - width <= jump - 2 * math.pi)).any():
            raise NotEnclosed("a singular function jumps on the boundary")
        return np.asarray(angle)

    def rounding(self, unit: float, reach: float, nearest: float) -> float:
        """Return a bound of the errors with which the functions are evaluated up to a distance `reach`."""
        far, near = reach / self.frame.corner.radius, nearest / self.frame.corner.radius
        total = 0.0
        for function, amount, a in zip(self.functions, np.abs(self.gamma).tolist(), self.power.tolist(), strict=True):
            shift = abs(a - function.power)
            powers = [log_moment(a, near, far, order) for order in range(3)]
            turn = 2 * math.pi
            # The errors of r^a, of the turn aθ, and of the logarithm, each with functions that are good to 40 ulp.
            relative = [unit * (250 + abs(a) * 400 + 2 * len(self.power)) + 30 * shift, unit * 100 * abs(a) + 3 * shift]
            one = relative[0] * powers[0] + relative[1] * powers[1]
            if function.log:
                one = turn * one + relative[0] * powers[1] + relative[1] * powers[2] + 400 * unit * powers[0]
                one += 100 * unit * powers[1]
            total += amount * one
        return total


def log_moment(a: float, near: float, far: float, order: int) -> float:
    """Return a bound of r^a |log r|^order for near ≤ r ≤ far, where near may be 0 if a > 0."""
    ends = [r**a * abs(math.log(r)) ** order for r in (near, far) if r > 0]
    inner = [(order / (math.e * abs(a))) ** order] if a and order else []
    return float(UPWARD * max(ends + inner))


def binomials(power: Array) -> tuple[Array, Array, Array]:
    """Return p_m, q_m and bounds of |q_m| and of what its terms are, (K, TERMS + 1) each."""
    p, q, size = [np.ones_like(power)], [np.zeros_like(power)], [np.zeros_like(power)]
    for m in range(TERMS):
        q.append((q[-1] * (power - m) + p[-1]) / (m + 1))
        size.append((size[-1] * np.abs(power - m) + np.abs(p[-1])) / (m + 1))
        p.append(p[-1] * (power - m) / (m + 1))
    return np.stack(p, axis=1), np.stack(q, axis=1), np.stack(size, axis=1)
