"""A sum of singular functions of corners and holes, enclosed along the boundary.

S = Re F with F = Σ_k γ_k Z^{a_k} (log Z), Z = e^{−iφ}(z − corner)/R, is harmonic wherever no function jumps: Laplace's
operator needs no enclosure. On a short piece z = z_c + κη of the boundary

    F = Σ_m f_m η^m,   f_m = τ^m Σ_k γ_k Z_c^{a_k} (p_m log Z_c + q_m),   τ = κ / (z_c − corner),

where (1 + ζ)^a = Σ p_m ζ^m and q_m = dp_m/da. The outward normal derivative is Re (F' ν) for a normal ν = n_x + i n_y.
On the sides of a corner the phases of Z^a are exact: see `corner_frames`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.corner_functions import CornerFunction
from kanpde.calculus.precision import UNIT, UPWARD
from kanpde.calculus.singular import SingularFunction
from kanpde.calculus.taylor_models import NotEnclosed, TaylorModel
from kanpde.geometry.curves import Arc, Curve, Segment
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.boundary_series import (
    TERMS,
    Pieces,
    Series,
    circle_series,
    derived,
    on_circle,
    pieces_of,
    real_model,
    times,
)
from kanpde.marching.audit.corner_frames import frame_of, hole_of, is_on
from kanpde.marching.audit.singular_group import Group

NEARNESS = 0.2  # largest half length of a piece, relative to its distance from a corner
CORE = 1e-9  # radius about a corner, relative to the shape, in which functions are bounded by their sizes
GRID = 2.0**20  # parameters of pieces are multiples of 1 / GRID, so that their middles are exact
MOST_PIECES = 20_000
PLANE = 2  # coordinates


class SingularSum:
    """Σ_k c_k s_k on a plane shape, with exact corners and powers."""

    def __init__(self, shape: Shape, functions: Sequence[SingularFunction], amounts: Array) -> None:
        self.shape = shape
        if shape.high.size != PLANE or amounts.shape[1:] != (1,):
            raise NotEnclosed("singular functions are enclosed for one field in the plane")
        plane = [each for each in functions if isinstance(each, CornerFunction)]
        self.size = float(np.abs([shape.low, shape.high]).max())
        if any(f.conjugate or f.modulus or f.corner.pole is not None or f.corner.slit is not None for f in plane):
            raise NotEnclosed(
                "the singular functions are not harmonic, or about a slit or a corner in a hole: not enclosed"
            )
        corners = dict.fromkeys(f.corner for f in plane)
        self.groups: list[Group] = []
        for corner in corners:
            chosen = [k for k, function in enumerate(plane) if function.corner == corner]
            own = [plane[k] for k in chosen]
            holes = {function.in_hole for function in own}
            frame = hole_of(corner, shape) if True in holes else frame_of(corner, shape)
            self.groups.append(Group(frame, own, amounts[chosen, 0]))

    def edges(self, curve: Curve, edges: Array) -> Array:
        """Return parameters of a curve at which it is divided so often that all functions have series on the pieces."""
        inner, gap = np.round(edges * GRID) / GRID, float(np.diff(edges).min()) / 4
        ends = [self._end(curve, end, sign) for end, sign in ((curve.start, -1), (curve.end, 1))]
        edges = np.unique(
            np.concatenate([[ends[0]], inner[(inner > ends[0] + gap) & (inner < ends[1] - gap)], [ends[1]]])
        )
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
            return real_model(
                np.asarray(series.found.real, dtype=np.float64), series.real, series.ratio, parts
            ).widened(radius)
        (real, _), _ = on_circle(series, parts)
        return real.widened(radius)

    def slopes(self, parts: Pieces) -> TaylorModel:
        """Return the models of the outward normal derivative of S on the parts of a curve."""
        series, middle, extra = self._series(parts, slope=True)
        constant = TaylorModel(middle[:, None], UNIT * np.abs(middle))
        sign: int = parts.curve.sign
        order = np.arange(1, TERMS)
        if isinstance(parts.curve, Segment):
            scale = sign / np.abs(parts.step)
            found = derived(
                np.asarray(series.found.imag[:, 1:] * order, dtype=np.float64), series.imaginary, series.ratio, parts
            )
            return times(found, scale).widened(extra) + constant
        assert isinstance(parts.curve, Arc)
        _, (real, imaginary) = on_circle(series, parts)
        eta, radius = circle_series(parts.half), sign / parts.curve.radii[0]
        # Re[F_η (η − i/h)] / R, where F_η is the derivative.
        total = real * eta[0] - imaginary * eta[1] + times(imaginary, 1 / parts.half)
        return times(total, np.full(len(parts.half), radius)).widened(extra) + constant

    def _series(self, parts: Pieces, slope: bool) -> tuple[Series, Array, Array]:
        """Return the sum of the series, and balls (n,) that contain functions on pieces that touch their corner."""
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
        gaps = np.maximum(
            np.abs(self.shape.low - group.frame.corner.at), np.abs(self.shape.high - group.frame.corner.at)
        )
        return UPWARD * math.hypot(*gaps)

    def _nearest(self, group: Group) -> float:
        """Return a lower bound of the distance of a group's point from the shape, if it lies in a hole."""
        if group.frame.rays:
            return 0.0
        point = np.array([group.frame.corner.at])
        curves = (c for pieces in self.shape.pieces.values() for c in pieces if isinstance(c, Curve))
        return 0.9 * min(float(curve.distance(point)[0]) for curve in curves)
