"""The B-spline family of edge functions: φ(x) = Σ_j c_j B_j(x) + w b(x) with a base function b."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.arrays import Array
from kanpde.calculus import splines
from kanpde.network.base_functions import BASE_FUNCTIONS


class BSpline(nn.Module):
    """Features of `inputs` coordinates: n + k B-splines each and, where `base` names one, a base function.

    ``features(x, orders)`` gives their derivatives 0 … orders − 1. A periodic input (a flag for each in `periodic`)
    wraps its splines around the ends of the grid and has no base function.
    """

    knots: Tensor
    pieces: Tensor
    centre: Tensor
    half_width: Tensor

    def __init__(
        self, knots: Array, degree: int, base: str | None = None, periodic: tuple[bool, ...] | None = None
    ) -> None:
        super().__init__()
        self.degree = degree
        self.base = base
        self.periodic = periodic or (False,) * knots.shape[0]
        low, high = knots[:, degree], knots[:, knots.shape[1] - degree - 1]
        self.register_buffer("centre", torch.as_tensor((low + high) / 2))
        self.register_buffer("half_width", torch.as_tensor((high - low) / 2))
        self.register_buffer("knots", torch.empty(0))
        self.register_buffer("pieces", torch.empty(0))
        self.set_knots(knots)

    def set_knots(self, knots: Array, uniform: bool | None = None) -> None:
        """Replace the grid; coefficients are the layer's business.

        `uniform` says whether knots are equidistant where they cannot tell, being rounded to single precision.
        """
        spacing = np.diff(knots, axis=1)
        self.uniform = bool(np.allclose(spacing, spacing[:, :1], rtol=1e-9, atol=0)) if uniform is None else uniform
        pieces = splines.polynomial_pieces(knots[:, : 2 * self.degree + 2] if self.uniform else knots, self.degree)
        like = self.half_width
        self.knots = torch.as_tensor(knots).to(like)
        self.pieces = torch.as_tensor(pieces[:1, 0] if self.uniform else pieces).to(like)

    @property
    def inputs(self) -> int:
        return int(self.knots.shape[0])

    @property
    def intervals(self) -> int:
        return int(self.knots.shape[1]) - 2 * self.degree - 1

    @property
    def splines(self) -> int:
        """How many B-splines an input has."""
        return self.intervals + self.degree

    @property
    def size(self) -> int:
        """How many features an input has."""
        return self.splines + (self.base is not None)

    def range(self) -> tuple[Tensor, Tensor]:
        """The ends of the grid, (i,) each."""
        return self.knots[:, self.degree], self.knots[:, self.degree + self.intervals]

    def features(self, x: Tensor, orders: int) -> Tensor:
        """x (n, i) -> (i, orders, n, size): the derivatives of every feature."""
        columns, local = self.local(x, orders)
        dense = x.new_zeros(self.inputs, orders, x.shape[0], self.size)
        columns = columns[:, None].expand(-1, orders, -1, -1)
        # In place, for features are the largest arrays of a pass; wrapped columns may coincide.
        scatter = dense.scatter_add_ if any(self.periodic) else dense.scatter_
        scatter(-1, columns, local.transpose(1, 2))
        if self.base is not None:
            dense[..., -1] = self._base(x, orders).permute(2, 0, 1)
        return dense

    def local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """x (n, i) -> numbers (i, n, k+1) of the splines that do not vanish there, and values (i, n, orders, k+1)."""
        if any(self.periodic):
            x = self._wrapped(x)
        interval, xi, inverse = splines.local_coordinates(x, self.knots, self.degree, self.uniform)
        columns = interval.T[..., None] + torch.arange(self.degree + 1, device=x.device)
        if any(self.periodic):
            columns = torch.where(self._periodic_mask(x)[:, None, None], columns % self.intervals, columns)
        return columns, self._local(interval, xi.T, inverse, orders)

    def _local(self, interval: Tensor, xi: Tensor, inverse: Tensor, orders: int) -> Tensor:
        """The k + 1 non-zero splines and their derivatives at ξ (i, n), (i, n, orders, k+1)."""
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

    def _base(self, x: Tensor, orders: int) -> Tensor:
        """b((x − centre)/half_width) and its derivatives by x, (orders, n, i)."""
        scaled = (x - self.centre) / self.half_width
        values = BASE_FUNCTIONS[str(self.base)](scaled, orders)
        result = torch.stack([value / self.half_width**m for m, value in enumerate(values)])
        return result * ~self._periodic_mask(x) if any(self.periodic) else result

    def _periodic_mask(self, x: Tensor) -> Tensor:
        return torch.tensor(self.periodic, device=x.device)

    def _wrapped(self, x: Tensor) -> Tensor:
        low, high = self.range()
        shifts = torch.floor((x.detach() - low) / (high - low)) * (high - low)
        return torch.where(self._periodic_mask(x), x - shifts, x)
