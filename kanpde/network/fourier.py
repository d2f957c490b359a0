"""The Fourier family: cosines and sines, whose period is the interval of a periodic input and twice that of others."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kanpde.network.scaled_basis import ScaledBasis


class Fourier(ScaledBasis):
    """1, cos ωs, sin ωs, cos 2ωs, sin 2ωs, …, with ω = π for periodic inputs and π/2 for others."""

    wraps = True

    def of_scaled(self, s: Tensor, orders: int) -> Tensor:
        number = torch.arange(self.functions, device=s.device)
        rate = math.pi / 2 * (1 + self.periodic_mask(s).to(s.dtype))
        waves = (number + 1).div(2, rounding_mode="floor") * rate[:, None]  # (i, functions)
        angle = waves[..., None] * s[:, None]
        sine, cosine = torch.sin(angle), torch.cos(angle)
        odd = (number % 2 == 1)[:, None]  # the cosines; the constant is a cosine of wave number zero
        even = torch.where(odd | (number == 0)[:, None], cosine, sine)
        other = torch.where(odd | (number == 0)[:, None], -sine, cosine)
        cycle = [even, other, -even, -other]
        return torch.stack([cycle[m % 4] * waves[..., None] ** m for m in range(orders)])
