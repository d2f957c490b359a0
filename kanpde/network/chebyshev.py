"""The Chebyshev family: T_0, T_1, … on every input's interval, which go on as lines beyond it."""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.network.placement import curved_inside
from kanpde.network.scaled_basis import ScaledBasis


class Chebyshev(ScaledBasis):
    """T_j(s), j < degree + intervals, with T_{j+1} = 2 s T_j − T_{j−1} differentiated m times."""

    def of_scaled(self, s: Tensor, orders: int) -> Tensor:
        held = s.clamp(-1, 1) if self.straight else s
        beyond = s - held
        known = max(orders, 2)
        zero, one = torch.zeros_like(s), torch.ones_like(s)
        below, here = [zero] * known, [one, *[zero] * (known - 1)]
        columns = []
        for j in range(self.functions):
            columns.append(torch.stack(here))
            twice = 1 if j == 0 else 2
            after = [held * here[m] + (m * here[m - 1] if m else 0) for m in range(known)]
            below, here = here, [twice * a - b for a, b in zip(after, below, strict=True)]
        values = torch.stack(columns, dim=1)  # (orders, functions, i, n)
        straight = (values[0] + beyond * values[1])[None]
        return curved_inside(torch.cat([straight, values[1:orders]]), beyond, orders).transpose(1, 2)
