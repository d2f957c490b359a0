"""Families of shifted and scaled kernels, 1 and K((s − p_j) / w_j): Gaussians, wavelets, rational functions.

Their centres p_j are evenly spaced; refined ones are narrower. All are bounded, so nothing is to be done beyond the
interval.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.network.scaled_basis import ScaledBasis


class Kernels(ScaledBasis):
    """1 and degree + intervals − 1 kernels of the width of their spacing, on [−1, 1]."""

    places: Tensor
    widths: Tensor

    def __init__(
        self, low: Array, high: Array, degree: int, intervals: int, base: str | None, periodic: tuple[bool, ...] | None
    ) -> None:
        super().__init__(low, high, degree, intervals, base, periodic)
        count = degree + intervals - 1
        places = torch.linspace(-1, 1, count, dtype=torch.float64) if count > 1 else torch.zeros(1, dtype=torch.float64)
        self.register_buffer("places", places)
        self.register_buffer("widths", torch.full_like(places, 2 / max(count - 1, 1)))

    def adopt(self, buffers: Mapping[str, Tensor]) -> None:
        """Take the number of kernels from saved buffers."""
        if "places" in buffers:
            self.places, self.widths = (buffers[name].clone() for name in ("places", "widths"))
            self._intervals = len(self.places) + 1 - self.degree

    def of_scaled(self, s: Tensor, orders: int) -> Tensor:
        z = (s[:, None] - self.places[:, None]) / self.widths[:, None]
        scales = torch.stack([self.widths**-m for m in range(orders)])
        kernels = torch.stack(self.kernel(z, orders)) * scales[:, None, :, None]
        constant = torch.zeros_like(kernels[:, :, :1]) + torch.eye(orders, 1).to(s).view(orders, 1, 1, 1)
        return torch.cat([constant, kernels], dim=2)

    @abstractmethod
    def kernel(self, z: Tensor, orders: int) -> list[Tensor]:
        """Return the derivatives 0 … orders − 1 of the kernel at z, each of its shape."""

    def add(self, count: int) -> None:
        """Add kernels of half the least width, spread over the interval."""
        steps = (torch.arange(count, dtype=torch.float64) + 0.5) * (2 / count) - 1
        self.widths = torch.cat([self.widths, self.widths.min().expand(count) / 2])
        self.places = torch.cat([self.places, steps.to(self.places)])
        super().add(count)


def gaussians(z: Tensor, orders: int) -> list[Tensor]:
    """Return the derivatives of e^(−z²/2): G^(m+1) = −z G^(m) − m G^(m−1)."""
    result = [torch.exp(-z * z / 2)]
    for m in range(orders - 1):
        result.append(-z * result[m] - (m * result[m - 1] if m else 0))
    return result[:orders]


class Gaussian(Kernels):
    """Gaussian radial functions."""

    def kernel(self, z: Tensor, orders: int) -> list[Tensor]:
        return gaussians(z, orders)


class Wavelet(Kernels):
    """Mexican hats (1 − z²) e^(−z²/2), the negative second derivative of a Gaussian."""

    def kernel(self, z: Tensor, orders: int) -> list[Tensor]:
        return [-derivative for derivative in gaussians(z, orders + 2)[2:]]


class Rational(Kernels):
    """Rational functions 1 / (1 + z²), with poles at p ± i w; the m-th derivative is (−1)^m m! Im (z − i)^(−m−1)."""

    def kernel(self, z: Tensor, orders: int) -> list[Tensor]:
        imaginary = 1 / (1 + z * z)
        real = z * imaginary
        a, b, result = real, imaginary, []
        for m in range(orders):
            result.append((-1) ** m * math.factorial(m) * b)
            a, b = a * real - b * imaginary, a * imaginary + b * real
        return result
