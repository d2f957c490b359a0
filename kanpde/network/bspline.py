"""The B-spline family of edge functions: φ(x) = Σ_j c_j B_j(x) + w b(x) with a base function b."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus import splines
from kanpde.calculus.arrays import Array
from kanpde.files import below
from kanpde.network import pieces
from kanpde.network.edge_basis import EdgeBasis
from kanpde.network.knots import growing_steps, refine_breakpoints, transfer_matrix
from kanpde.network.placement import curved_inside, place, place_apart

EVEN = 1e-9  # largest relative difference of the spacings of equidistant knots
ROUNDINGS = 16  # distance of coefficients from a line, in rounding errors of the largest, that they may have


def is_uniform(knots: Array) -> bool:
    """Return whether the knots (i, n) of every input are equidistant."""
    spacing = np.diff(knots, axis=1)
    return bool((np.abs(spacing - spacing[:, :1]) <= EVEN * np.abs(spacing[:, :1])).all())


class BSpline(EdgeBasis):
    """n + k B-splines of degree k for each input, on knots (i, n + 2k + 1).

    The splines of a periodic input wrap around the ends of the grid, so only its first n coefficients are free. Beyond
    the ends of another grid every spline goes on linearly, with its value and its slope at the end.
    """

    knots: Tensor
    pieces: Tensor
    table: Tensor
    start: Tensor
    scales: Tensor

    def __init__(
        self,
        knots: Array,
        degree: int,
        base: str | None = None,
        periodic: tuple[bool, ...] | None = None,
        known: Array | None = None,
    ) -> None:
        """Set the knots; their polynomials, `known` from elsewhere, are computed if they are not."""
        super().__init__(knots[:, degree], knots[:, knots.shape[1] - degree - 1], base, periodic)
        self.degree = degree
        self.register_buffer("knots", torch.empty(0))
        self.register_buffer("pieces", torch.empty(0))
        for name in ("table", "start", "scales"):  # of equidistant knots, see `_cardinal`
            self.register_buffer(name, torch.empty(0), persistent=False)
        self.set_knots(knots, known=known)

    @classmethod
    def spanning(
        cls,
        low: Array,
        high: Array,
        *,
        degree: int,
        intervals: int,
        base: str | None,
        periodic: tuple[bool, ...] | None,
    ) -> BSpline:
        """Return splines on equidistant knots over [low, high], (i,) each, `intervals` of them for each input."""
        return BSpline(splines.uniform_knots(low, high, intervals, degree), degree, base, periodic)

    def adopt(self, buffers: Mapping[str, Tensor]) -> None:
        """Set the knots to those of saved buffers; without their polynomials they are not equidistant."""
        if "knots" not in buffers:
            return  # `load_state_dict` tells what is missing
        uniform = "pieces" in buffers and buffers["pieces"].dim() == 3
        self.set_knots(buffers["knots"].double().cpu().numpy(), uniform=uniform)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        self.adopt(below(prefix, state_dict))
        if not self.uniform:
            state_dict.setdefault(prefix + "pieces", self.pieces)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def set_knots(self, knots: Array, uniform: bool | None = None, known: Array | None = None) -> None:
        """Replace the knots by `knots` (i, n + 2k + 1); the layer keeps its coefficients.

        `uniform` states whether the knots are equidistant; None tests it. Knots that were rounded to single precision
        need the statement, because the test would fail.
        """
        self.uniform = is_uniform(knots) if uniform is None else uniform
        if self.uniform or known is None:
            known = splines.polynomial_pieces(knots[:1, : 2 * self.degree + 2] if self.uniform else knots, self.degree)
        like = self.half_width
        self.knots = torch.as_tensor(knots).to(like)
        self.pieces = torch.as_tensor(known[:1, 0] if self.uniform else known).to(like)
        self._derive()

    def _derive(self) -> None:
        """Compute what `_cardinal` needs from the knots as they are stored, in their precision and on their device."""
        if not self.uniform:
            return
        low, high = (end[:, None] for end in self.range())
        rate = self.intervals / (high - low)
        self.start = low
        self.scales = torch.stack([rate**m for m in range(self.degree + 1)])[:, None]
        self.table = torch.as_tensor(splines.cardinal_table(self.degree)).to(low)

    def _apply(self, *arguments: Any, **more: Any) -> BSpline:
        super()._apply(*arguments, **more)  # type: ignore[no-untyped-call]
        self._derive()
        return self

    @property
    def intervals(self) -> int:
        return int(self.knots.shape[1]) - 2 * self.degree - 1

    @property
    def functions(self) -> int:
        """The number of B-splines of an input."""
        return self.intervals + self.degree

    def range(self) -> tuple[Tensor, Tensor]:
        """Return the ends of each input's grid, (i,) each."""
        return self.knots[:, self.degree], self.knots[:, self.degree + self.intervals]

    def breakpoints(self) -> Array:
        """Return the ends of each input's knot intervals, (i, n + 1)."""
        inner = self.knots[:, self.degree : self.degree + self.intervals + 1]
        return np.asarray(inner.double().cpu().numpy())

    def curves(self, coefficients: Tensor, x: Tensor, orders: int) -> list[Tensor]:
        """Return the derivatives of edge functions at x (i, n), by their polynomials where no graph is recorded."""
        many = coefficients.shape[2] > pieces.MOST_OUTPUTS * orders
        if many or torch.is_grad_enabled() or any(self.periodic):
            return super().curves(coefficients, x, orders)
        interval, free, inverse = self._located(x.to(self.centre.dtype))
        xi = free.clamp(-0.5, 0.5) if self.straight else free
        local = self.pieces[None] if self.uniform else self.pieces
        polynomials = pieces.polynomials_at(coefficients[:, : self.functions], local, interval)
        beyond = (free - xi)[:, None] if self.straight else None
        if beyond is not None and beyond.device.type == "cpu" and not beyond.any():  # a GPU would wait for the answer
            beyond = None
        found = pieces.derivatives(polynomials, xi[:, None], orders if beyond is None else max(orders, 2))
        if beyond is not None:
            inside = beyond == 0
            straight = torch.addcmul(found[0], found[1], beyond)
            found = [straight, found[1], *(value.mul_(inside) for value in found[2:])][:orders]
        scale = inverse[:, None]
        for m, value in enumerate(found[1:], start=1):
            value.mul_(scale if m == 1 else scale**m)
        return found if self.base is None else self._with_base(found, coefficients[:, -1], x)

    def lines(self, coefficients: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return α and β (i, o) if all edges are α + β h up to rounding errors, and None if not.

        Only splines with one interval are looked at: those between the products of a compressed solution are lines.
        """
        if self.intervals != 1 or not self.uniform or self.base is not None or any(self.periodic):
            return None
        # A line has the coefficients α + β a_j with the averages a_j of k knots (Marsden's identity).
        averages = self.knots[:, 1:-1].unfold(1, self.degree, 1).mean(dim=2)[..., None]
        slopes = (coefficients[:, -1] - coefficients[:, 0]) / (averages[:, -1] - averages[:, 0])
        straight = coefficients[:, :1] + slopes[:, None] * (averages - averages[:, :1])
        roundings = ROUNDINGS * torch.finfo(coefficients.dtype).eps * coefficients.abs().amax(dim=1, keepdim=True)
        if ((coefficients - straight).abs() > roundings).any():
            return None
        return coefficients[:, 0] - slopes * averages[:, 0], slopes

    def _located(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the interval (i, n) of every x (i, n), its coordinate ξ there, and 1/h, (i, 1) or (i, n)."""
        if self.uniform:
            interval, free = self._position(x)
            return interval.long(), free, self.scales[1, 0]
        interval, free, inverse = splines.local_coordinates(x.T, self.knots, self.degree, self.uniform)
        return interval.T, free.T, inverse.T

    def _position(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the interval of every x (i, n) among equidistant knots, without fraction, and its coordinate ξ."""
        position = (x - self.start) * self.scales[1, 0]
        interval = position.detach().floor().clamp(0, self.intervals - 1).nan_to_num(0.0)  # NaN has no integer
        return interval, position - interval - 0.5

    def _with_base(self, curves: list[Tensor], weights: Tensor, x: Tensor) -> list[Tensor]:
        bases = self.base_features(x, len(curves))
        return [torch.addcmul(curve, base, weights[..., None]) for curve, base in zip(curves, bases, strict=True)]

    def evaluate(self, x: Tensor, orders: int) -> Tensor:
        """Return the derivatives 0 … orders − 1 of every spline: x (i, n) -> (orders, i, functions, n)."""
        if any(self.periodic):
            x = self._wrap(x.T).T
        interval, values = self._cardinal(x, orders) if self.uniform else self._extended(x, orders)
        if any(self.periodic):
            columns = interval + torch.arange(self.degree + 1, device=x.device)[:, None, None]
            wrapped = torch.where(self.periodic_mask(x)[:, None], columns % self.intervals, columns)
            return place_apart(wrapped, values, self.functions)
        return place(interval, values, self.functions)

    def _cardinal(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """Return the interval (i, n) of every x (i, n) and its k + 1 splines (orders, k+1, i, n) on equidistant knots.

        They are one matrix times the powers of ξ, held within its interval, and the distance δ beyond the grid.
        """
        interval, free = self._position(x)
        xi = free.clamp(-0.5, 0.5) if self.straight else free
        terms = [torch.ones_like(xi), xi]
        while len(terms) <= self.degree:
            terms.append(terms[-1] * xi)
        beyond = free - xi if self.straight else None
        if beyond is not None:
            terms += [beyond, beyond.abs()]
        known = min(orders, self.degree + 1)
        table = self.table[:known, :, : len(terms)].flatten(0, 1)
        values = (table @ torch.stack(terms).flatten(1)).view(known, self.degree + 1, *x.shape)
        if known > 1:
            values = values * self.scales[:known]
        return interval.long(), curved_inside(values, beyond, orders)

    def _extended(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """Return the same on any knots: the splines where x is held within the grid, and their slope times δ."""
        low, high = (end[:, None] for end in self.range())
        inside = torch.minimum(torch.maximum(x, low), high) if self.straight else x
        beyond = x - inside
        columns, local = self.local(inside.T, max(orders, 2))
        values = local.permute(2, 3, 0, 1)
        straight = values[0] + beyond * values[1]
        return columns[..., 0], curved_inside(torch.cat([straight[None], values[1:orders]]), beyond, orders)

    def local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """Return the non-zero splines at x (n, i): their indices (i, n, k+1) and derivatives (i, n, orders, k+1)."""
        if any(self.periodic):
            x = self._wrap(x)
        interval, xi, inverse = splines.local_coordinates(x, self.knots, self.degree, self.uniform)
        columns = interval.T[..., None] + torch.arange(self.degree + 1, device=x.device)
        if any(self.periodic):
            columns = torch.where(self.periodic_mask(x)[:, None, None], columns % self.intervals, columns)
        return columns, self._local(interval, xi.T, inverse, orders)

    def _local(self, interval: Tensor, xi: Tensor, inverse: Tensor, orders: int) -> Tensor:
        """Return the k + 1 non-zero splines and their derivatives at ξ (i, n): (i, n, orders, k+1)."""
        powers = [torch.ones_like(xi)]
        for _ in range(self.degree):
            powers.append(powers[-1] * xi)
        table = torch.as_tensor(splines.derivative_powers(self.degree, orders), dtype=xi.dtype, device=xi.device)
        scale = torch.stack([inverse.T**m for m in range(orders)], dim=-1)[..., None]  # (i, n or 1, orders, 1)
        if self.uniform:
            matrices = (table @ self.pieces[0]).transpose(0, 1) * scale  # (i, q, orders, j)
            local = torch.stack(powers, dim=-1) @ matrices.flatten(2)
            return local.reshape(*xi.shape, orders, self.degree + 1)
        rows = torch.arange(self.inputs, device=xi.device)[:, None]
        derivatives = torch.stack(powers, dim=-1) @ table.permute(1, 0, 2).flatten(1)
        return (
            derivatives.reshape(*xi.shape, orders, self.degree + 1) @ self.pieces[rows, interval.T.contiguous()] * scale
        )

    def _wrap(self, x: Tensor) -> Tensor:
        """Return x (n, i) with each periodic input shifted into its grid."""
        low, high = self.range()
        shifts = torch.floor((x.detach() - low) / (high - low)) * (high - low)
        return torch.where(self.periodic_mask(x), x - shifts, x)

    def fit(self, i: int, x: Array, values: Array) -> Array:
        """Return least-squares coefficients (functions, c) of input i for values (points, c) at x."""
        matrix = splines.dense_basis(x, self._knots_of(i), self.degree)
        result = np.zeros((self.functions, values.shape[1]))
        if self.periodic[i]:
            wrapped = np.zeros((len(x), self.intervals))
            for column in range(self.functions):
                wrapped[:, column % self.intervals] += matrix[:, column]
            result[: self.intervals] = np.linalg.lstsq(wrapped, values, rcond=None)[0]
            return result
        result[:] = np.linalg.lstsq(matrix, values, rcond=None)[0]
        return result

    def one(self, i: int) -> Tensor:
        """Return ones, (functions,), because B-splines add up to one; zeros for the dependent ones of a circle."""
        result = self.knots.new_zeros(self.functions)
        result[: self.intervals if self.periodic[i] else self.functions] = 1
        return result

    def subset(self, inputs: Sequence[int]) -> BSpline:
        """Return the basis of some of the inputs, on the same grids."""
        which = list(inputs)
        knots = self.knots.cpu().double().numpy()[which]
        result = BSpline(knots, self.degree, self.base, tuple(self.periodic[i] for i in which))
        result.set_knots(knots, uniform=self.uniform)
        result.to(self.knots)
        result.centre, result.half_width = self.centre[which], self.half_width[which]
        return result

    def regrid(self, i: int, low: float, high: float, margin: float) -> None:
        """Set the grid of input i to equidistant knots over [low − margin, high + margin]."""
        knots = self.knots.cpu().double().numpy().copy()
        ends = np.array(low - margin), np.array(high + margin)
        knots[i] = splines.uniform_knots(*ends, self.intervals, self.degree)[0]
        self.set_knots(knots, uniform=self.uniform)
        self.centre[i], self.half_width[i] = (low + high) / 2, (high - low) / 2 + margin

    def set_breakpoints(self, i: int, breakpoints: Array) -> None:
        """Put the knots of input i through `breakpoints` (n + 1,)."""
        knots = self.knots.cpu().double().numpy().copy()
        through = splines.periodic_knots if self.periodic[i] else splines.knots_through
        knots[i] = through(breakpoints, self.degree)[0]
        self.set_knots(knots)

    def move(self, i: int, breakpoints: Array, coefficients: Tensor) -> Tensor:
        """Do the same, and return the coefficients (functions, o) of the same splines, in double precision on the CPU.

        They are the same where the new grid has all old knots, and beyond the old one, where polynomials go on.
        """
        old = self._knots_of(i).copy()
        self.set_breakpoints(i, breakpoints)
        matrix = transfer_matrix(old, self._knots_of(i), self.degree, self.periodic[i])
        return torch.as_tensor(matrix) @ coefficients.detach().cpu().double()

    @property
    def growth(self) -> int:
        """The number of functions that `refine` adds to an input: one for each interval."""
        return self.intervals

    def refine(self, values: Array, mass: Array, coefficients: Tensor) -> Tensor:
        """Double the intervals by exact knot insertion, where most of the `mass` (n,) at `values` (n, i) is.

        Return the coefficients (i, functions, o) of the same splines on the new knots, in double precision on the CPU.
        """
        old = [self._knots_of(i) for i in range(self.inputs)]
        breakpoints = [
            refine_breakpoints(knots[self.degree : -self.degree], values[:, i], mass) for i, knots in enumerate(old)
        ]
        through = [splines.periodic_knots if periodic else splines.knots_through for periodic in self.periodic]
        new = np.concatenate([knots(b, self.degree) for knots, b in zip(through, breakpoints, strict=True)])
        matrices = [transfer_matrix(old[i], new[i], self.degree, self.periodic[i]) for i in range(self.inputs)]
        every = self._repeat_periodic(coefficients).cpu().double()
        self.set_knots(new)
        return torch.einsum("ihg,igo->iho", torch.as_tensor(np.stack(matrices)), every)

    def extend(self, low: Array, high: Array, coefficients: Tensor) -> Tensor:
        """Move the ends of the grids out to [low, high], (i,) each, with as many intervals.

        Return the coefficients (i, functions, o) of splines that are the same on the old grid, in double precision on
        the CPU. Beyond the old ends the outermost polynomials go on.
        """
        result = coefficients.detach().cpu().double().clone()
        knots = self.knots.cpu().double().numpy().copy()
        for i in range(self.inputs):
            breakpoints = self.breakpoints()[i]
            if self.periodic[i] or (low[i] >= breakpoints[0] and high[i] <= breakpoints[-1]):
                continue
            old = knots[i].copy()
            breakpoints[0], breakpoints[-1] = min(low[i], breakpoints[0]), max(high[i], breakpoints[-1])
            knots[i] = splines.knots_through(breakpoints, self.degree)[0]
            result[i] = torch.as_tensor(transfer_matrix(old, knots[i], self.degree, False)) @ result[i]
        self.set_knots(knots)
        return result

    def widen(self, low: Array, high: Array, coefficients: Tensor) -> Tensor:
        """Add intervals beyond the ends of the grids, until these span [low, high], (i,) each.

        Return the coefficients (i, functions, o) of splines that are the same on the old grid, in double precision on
        the CPU. New functions, which are zero there, continue the tangents at the ends.
        """
        old, breakpoints = self.knots.cpu().double().numpy(), self.breakpoints()
        held = coefficients.detach().cpu().double().numpy()
        steps = breakpoints[:, 1] - breakpoints[:, 0], breakpoints[:, -1] - breakpoints[:, -2]
        far = np.maximum(breakpoints[:, 0] - low, 0), np.maximum(high - breakpoints[:, -1], 0)
        below, above = (min(int(np.ceil((f / h).max())), self.intervals) for f, h in zip(far, steps, strict=True))
        ends = torch.stack(self.range(), dim=1)
        values, slopes = (np.asarray(each.cpu().double()) for each in self.evaluate(ends, 2))  # (i, functions, 2)
        result, knots = [], []
        for i, grid in enumerate(breakpoints):
            left = grid[0] - np.cumsum(growing_steps(steps[0][i], far[0][i], below))
            right = grid[-1] + np.cumsum(growing_steps(steps[1][i], far[1][i], above))
            knots.append(splines.knots_through(np.concatenate([left[::-1], grid, right]), self.degree)[0])
            columns = transfer_matrix(old[i], knots[i], self.degree, False) @ held[i]
            averages = np.array([knots[i][j + 1 : j + 1 + self.degree].mean() for j in range(len(columns))])
            for new, end in ((slice(0, below), 0), (slice(len(columns) - above, None), 1)):
                line = values[i, :, end] @ held[i], slopes[i, :, end] @ held[i]
                columns[new] = line[0] + (averages[new] - grid[-end])[:, None] * line[1]
            result.append(torch.as_tensor(columns))
        self.set_knots(np.stack(knots))
        return torch.stack(result)

    def _repeat_periodic(self, coefficients: Tensor) -> Tensor:
        """Return the coefficients (i, functions, o) with the free ones of each periodic input repeated at its end."""
        result = coefficients.clone()
        for i, periodic in enumerate(self.periodic):
            if periodic:
                result[i] = result[i, torch.arange(self.functions) % self.intervals]
        return result

    def _knots_of(self, i: int) -> Array:
        return np.asarray(self.knots[i].cpu().double().numpy())
