"""A sum of singular functions of corners and holes, enclosed along the boundary.

S = Re F with F = Σ_k γ_k Z^{a_k} (log Z), Z = e^{−iφ}(z − corner)/R, is harmonic wherever no function jumps: Laplace's
operator needs no enclosure. On a short piece z = z_c + κη of the boundary

    F = Σ_m f_m η^m,   f_m = τ^m Σ_k γ_k Z_c^{a_k} (p_m log Z_c + q_m),   τ = κ / (z_c − corner),

where (1 + ζ)^a = Σ p_m ζ^m and q_m = dp_m/da. The outward normal derivative is Re (F' ν) for a normal ν = n_x + i n_y. On
the sides of a corner the phases of Z^a are exact: see `corner_frames`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array
from kanpde.calculus.corner_functions import CornerFunction
from kanpde.calculus.taylor_models import TINY, UNIT, UPWARD, NotEnclosed, TaylorModel
from kanpde.geometry.curves import Arc, Curve, Segment
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.corner_frames import Frame, along, frame_of, hole_of, is_on

TERMS = 30  # of a series about the middle of a piece
NEARNESS = 0.2  # largest half length of a piece, relative to its distance from a corner
CORE = 1e-9  # radius about a corner, relative to the shape, in which functions are bounded by their sizes
GRID = 2.0**20  # parameters of pieces are multiples of 1 / GRID, so that their middles are exact
LOWEST = 1.5  # power from which on r^{a−1} log r falls near a corner
MOST_PIECES = 20_000
CIRCLE = 12  # terms of (e^{ihs} − 1) / (ih)

Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Pieces:
    """Parts of a curve, z = `middle` + `step` η with |η| ≤ `reach` up to a distance `error`, (n,) each.

    On a segment η = s ∈ [−1, 1]. On a circle η = (e^{ihs} − 1) / (ih) with its half angle h. `places` are the parameters
    of the middles.
    """

    curve: Curve
    places: Array
    half: Array
    middle: Complex
    step: Complex
    error: Array
    reach: float


def pieces_of(curve: Curve, edges: Array) -> Pieces:
    """Return the parts of a segment or a circle between consecutive parameters; raise NotEnclosed for others."""
    places, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    size = np.abs(edges).max() + 1
    if isinstance(curve, Segment):
        first, way = complex(*curve.first), complex(*map(float, along(curve)))
        middle, step = first + places * way, half * way
        error = 8 * UNIT * (abs(first) + size * abs(way)) + np.zeros(len(places))
        return Pieces(curve, places, half, middle, step, error, 1 + 1e-9)
    if not isinstance(curve, Arc) or curve.radii[0] != curve.radii[1]:
        raise NotEnclosed("singular functions are enclosed along segments and circles")
    radius, centre = curve.radii[0], complex(*curve.center)
    turned = np.exp(1j * places)
    error = 100 * UNIT * (abs(centre) + radius * size) + np.zeros(len(places))
    return Pieces(curve, places, half, centre + radius * turned, 1j * radius * turned * half, error, 1.1)


@dataclass(frozen=True)
class Series:
    """Coefficients f_m (n, TERMS) and bounds of the errors of their real and imaginary parts (n, TERMS + 1).

    The last column bounds the m-th coefficients for all m ≥ TERMS, of which each is at most `ratio` (n,) of the one before.
    """

    found: Complex
    real: Array
    imaginary: Array
    ratio: Array

    def __add__(self, other: Series) -> Series:
        errors = self.real + other.real, self.imaginary + other.imaginary
        return Series(self.found + other.found, *errors, np.maximum(self.ratio, other.ratio))


class SingularSum:
    """Σ_k c_k s_k on a plane shape, with exact corners and powers."""

    def __init__(self, shape: Shape, functions: Sequence[CornerFunction], amounts: Array) -> None:
        self.shape = shape
        self.size = float(np.abs([shape.low, shape.high]).max())
        if any(f.conjugate or f.corner.pole is not None for f in functions):
            raise NotEnclosed("the singular functions are not harmonic, or those of a corner in a hole: not enclosed")
        if shape.high.size != 2 or amounts.shape[1:] != (1,):
            raise NotEnclosed("singular functions are enclosed for one field in the plane")
        corners = dict.fromkeys(f.corner for f in functions)
        self.groups: list[Group] = []
        for corner in corners:
            chosen = [k for k, function in enumerate(functions) if function.corner == corner]
            own = [functions[k] for k in chosen]
            holes = {function.in_hole for function in own}
            frame = hole_of(corner, shape) if True in holes else frame_of(corner, shape)
            self.groups.append(Group(frame, own, amounts[chosen, 0]))

    def edges(self, curve: Curve, edges: Array) -> Array:
        """Return parameters of a curve at which it is divided so often that all functions have series on the pieces."""
        inner, gap = np.round(edges * GRID) / GRID, float(np.diff(edges).min()) / 4
        ends = [self._end(curve, end, sign) for end, sign in ((curve.start, -1), (curve.end, 1))]
        edges = np.unique(np.concatenate([[ends[0]], inner[(inner > ends[0] + gap) & (inner < ends[1] - gap)], [ends[1]]]))
        while True:
            parts = pieces_of(curve, edges)
            long = np.zeros(len(parts.places), dtype=bool)
            for group in self.groups:
                away, half = group.distance(parts.middle), np.abs(parts.step)
                long |= (half > NEARNESS * away) & (half + away > CORE * self.size)
            if not long.any():
                return edges
            if len(edges) > MOST_PIECES:
                raise NotEnclosed("the boundary comes too close to a point of singular functions")
            edges = np.unique(np.concatenate([edges, parts.places[long]]))

    def _end(self, curve: Curve, end: float, sign: int) -> float:
        """Return an end of a curve, beyond its own by far more than rounding errors unless it is an exact corner."""
        exact = any(isinstance(curve, Segment) and group.parameter(curve) == end for group in self.groups)
        return end if exact else end + sign * 1e-12 * (curve.end - curve.start)

    def values(self, parts: Pieces) -> TaylorModel:
        """Return the models of S on the parts of a curve."""
        series, _, radius = self._series(parts, slope=False)
        if isinstance(parts.curve, Segment):
            return real_model(series.found.real, series.real, series.ratio, parts).widened(radius)
        (real, _), _ = on_circle(series, parts)
        return real.widened(radius)

    def slopes(self, parts: Pieces) -> TaylorModel:
        """Return the models of the outward normal derivative of S on the parts of a curve."""
        series, middle, extra = self._series(parts, slope=True)
        constant = TaylorModel(middle[:, None], UNIT * np.abs(middle))
        sign: int = parts.curve.sign  # type: ignore[attr-defined]
        order = np.arange(1, TERMS)
        if isinstance(parts.curve, Segment):
            scale = sign / np.abs(parts.step)
            found = derived(series.found.imag[:, 1:] * order, series.imaginary, series.ratio, parts)
            return times(found, scale).widened(extra) + constant
        assert isinstance(parts.curve, Arc)
        _, (real, imaginary) = on_circle(series, parts)
        eta, radius = circle_series(parts.half), sign / parts.curve.radii[0]
        # Re[F_η (η − i/h)] / R, where F_η is the derivative.
        total = real * eta[0] - imaginary * eta[1] + times(imaginary, 1 / parts.half)
        return times(total, np.full(len(parts.half), radius)).widened(extra) + constant

    def _series(self, parts: Pieces, slope: bool) -> tuple[Series, Array, Array]:
        """Return the sum of the series, and balls (n,) that contain the functions of corners at pieces that touch them."""
        found, middle, radius = [], np.zeros(len(parts.places)), np.zeros(len(parts.places))
        for group in self.groups:
            away, half = group.distance(parts.middle), np.abs(parts.step)
            core = half > NEARNESS * away
            number = group.side(parts.curve)
            if core.any():
                if not is_on(parts.curve, group.frame.corner.at):
                    raise NotEnclosed("the boundary comes too close to a point of singular functions")
                largest = float((away + parts.reach * half + parts.error)[core].max()) * UPWARD
                ball = group.slope_ball(largest, number) if slope else (0.0, group.value_bound(largest, number))
                middle[core] += ball[0]
                radius[core] += ball[1]
            found.append(group.series(parts, number, ~core))
        total = found[0]
        for each in found[1:]:
            total = total + each
        return total, middle, UPWARD * radius

    def rounding(self, unit: float) -> float:
        """Return a bound of the errors with which S is computed, and of its distance from the stored functions."""
        return UPWARD * sum(group.rounding(unit, self._farthest(group), self._nearest(group)) for group in self.groups)

    def _farthest(self, group: Group) -> float:
        """Return an upper bound of the distance of a group's point from points of the shape."""
        gaps = np.maximum(np.abs(self.shape.low - group.frame.corner.at), np.abs(self.shape.high - group.frame.corner.at))
        return UPWARD * math.hypot(*gaps)

    def _nearest(self, group: Group) -> float:
        """Return a lower bound of the distance of a group's point from the shape, if it lies in a hole."""
        if group.frame.rays:
            return 0.0
        point = np.array([group.frame.corner.at])
        curves = (c for pieces in self.shape.pieces.values() for c in pieces if isinstance(c, Curve))
        return 0.9 * min(float(curve.distance(point)[0]) for curve in curves)


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
        return np.abs(points - self.at)

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
            raise NotEnclosed("the normal derivative of a singular function is not bounded where a side meets its corner")
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
    return UPWARD * max(ends + inner)


def binomials(power: Array) -> tuple[Array, Array, Array]:
    """Return p_m, q_m and bounds of |q_m| and of what its terms are, (K, TERMS + 1) each."""
    p, q, size = [np.ones_like(power)], [np.zeros_like(power)], [np.zeros_like(power)]
    for m in range(TERMS):
        q.append((q[-1] * (power - m) + p[-1]) / (m + 1))
        size.append((size[-1] * np.abs(power - m) + np.abs(p[-1])) / (m + 1))
        p.append(p[-1] * (power - m) / (m + 1))
    return np.stack(p, axis=1), np.stack(q, axis=1), np.stack(size, axis=1)


def tail(last: Array, ratio: Array, reach: float, order: int = 0) -> Array:
    """Return Σ_{m ≥ TERMS} m^order |f_m| reach^m, (n,), from a bound of the first term and of their ratio."""
    rate = ratio * reach * ((TERMS + 1) / TERMS) ** order
    if not (rate < 0.9).all():
        raise NotEnclosed("a series of a singular function does not converge on a piece of the boundary")
    return np.asarray(UPWARD * last * TERMS**order * reach**TERMS / (1 - rate))


def real_model(found: Array, errors: Array, ratio: Array, parts: Pieces) -> TaylorModel:
    """Return the model of Σ f_m η^m on pieces of a segment."""
    powers = parts.reach ** np.arange(TERMS)
    error = errors[:, :TERMS] @ powers + tail(errors[:, TERMS], ratio, parts.reach)
    slope = (np.abs(found) * np.arange(TERMS)) @ powers + errors[:, :TERMS] @ (np.arange(TERMS) * powers)
    slope = slope + tail(errors[:, TERMS], ratio, parts.reach, 1)
    position = parts.error / np.abs(parts.step) * slope
    return TaylorModel(found, UPWARD * (error + position) + TINY).trimmed()


def derived(found: Array, errors: Array, ratio: Array, parts: Pieces) -> TaylorModel:
    """Return the model of Σ m f_m η^{m−1} on pieces of a segment, for `found` m f_m."""
    order = np.arange(1, TERMS)
    powers = parts.reach ** (order - 1)
    error = (errors[:, 1:TERMS] * order) @ powers + tail(errors[:, TERMS], ratio, parts.reach, 1)
    error = error + 2 * UNIT * (np.abs(found) @ powers)
    slope = (np.abs(found) * (order - 1)) @ powers + (errors[:, 1:TERMS] * order * (order - 1)) @ powers
    slope = slope + tail(errors[:, TERMS], ratio, parts.reach, 2)
    position = parts.error / np.abs(parts.step) * slope
    return TaylorModel(found, UPWARD * (error + position) + TINY).trimmed()


def times(model: TaylorModel, factor: Array) -> TaylorModel:
    """Return a model times numbers (n,), which have a few roundings."""
    error = UPWARD * np.abs(factor) * model.error + 20 * UNIT * np.abs(factor) * model.norm
    return TaylorModel(model.coefficients * factor[:, None], UPWARD * error + TINY)


def circle_series(half: Array) -> tuple[TaylorModel, TaylorModel]:
    """Return models of the real and imaginary part of η = (e^{ihs} − 1) / (ih) on [−1, 1]."""
    terms = np.array([(1j) ** (j - 1) / math.factorial(j) for j in range(1, CIRCLE + 1)])
    found = np.concatenate([np.zeros((len(half), 1)), half[:, None] ** np.arange(CIRCLE) * terms], axis=1)
    left = half**CIRCLE / math.factorial(CIRCLE + 1) * 1.2 + 100 * UNIT * half
    return TaylorModel(found.real.copy(), left), TaylorModel(found.imag.copy(), left)


Pair = tuple[TaylorModel, TaylorModel]


def on_circle(series: Series, parts: Pieces) -> tuple[Pair, Pair]:
    """Return models of F and of its derivative by η, real and imaginary parts, on pieces of a circle."""
    if (parts.half > 0.1).any():
        raise NotEnclosed("a circle is divided into too few pieces")
    eta, order = circle_series(parts.half), np.arange(TERMS)
    powers = parts.reach**order
    errors = series.real + series.imaginary
    sizes = np.abs(series.found) + errors[:, :TERMS]
    step = parts.error / np.abs(parts.step) * UPWARD
    last = errors[:, TERMS]
    # Bounds of F and of its derivatives.
    factors = (np.ones(TERMS), order, order * (order - 1))
    bends = [(sizes * f) @ powers + tail(last, series.ratio, parts.reach, n) for n, f in enumerate(factors)]
    error = errors[:, :TERMS] @ powers + tail(last, series.ratio, parts.reach) + step * bends[1]
    first = (errors[:, :TERMS] * order) @ powers + tail(last, series.ratio, parts.reach, 1) + step * bends[2]
    value = horner(series.found, eta)
    slope = horner(series.found[:, 1:] * order[1:], eta)
    first = first + 4 * UNIT * bends[1]
    return (value[0].widened(error), value[1].widened(error)), (slope[0].widened(first), slope[1].widened(first))


def horner(found: Complex, eta: Pair) -> Pair:
    """Return the real and the imaginary part of Σ f_m η^m."""
    real, imaginary = (TaylorModel(part[:, -1:].copy(), np.zeros(len(found))) for part in (found.real, found.imag))
    for column in reversed(found.T[:-1]):
        real, imaginary = real * eta[0] - imaginary * eta[1], real * eta[1] + imaginary * eta[0]
        real = real + TaylorModel(column.real[:, None].copy(), np.zeros(len(column)))
        imaginary = imaginary + TaylorModel(column.imag[:, None].copy(), np.zeros(len(column)))
    return real, imaginary

