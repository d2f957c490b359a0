"""Families whose functions are the same for every input, as functions of s = (x − middle) / reach."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ConfigurationError
from kanpde.network.edge_basis import EdgeBasis

CUT = (
    1e-10  # singular values below this share of the largest are dropped in fits; the functions may be nearly dependent
)
STATIONS = 8  # points for each function at which edge functions are fitted anew


class ScaledBasis(EdgeBasis):
    """`degree` + `intervals` functions of s, which is in [−1, 1] on every input's interval [low, high], (i,) each.

    Raises ConfigurationError for periodic inputs, unless the family `wraps` around.
    """

    middle: Tensor
    reach: Tensor
    wraps = False  # whether the functions of a periodic input are periodic

    def __init__(
        self, low: Array, high: Array, degree: int, intervals: int, base: str | None, periodic: tuple[bool, ...] | None
    ) -> None:
        super().__init__(low, high, base, periodic)
        if any(self.periodic) and not self.wraps:
            raise ConfigurationError(
                f"expected network.family bspline or fourier for periodic coordinates, got {type(self).__name__}"
            )
        self.degree, self._intervals = degree, intervals
        self.register_buffer("middle", self.centre.clone())
        self.register_buffer("reach", self.half_width.clone())

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
    ) -> ScaledBasis:
        """Return the functions on [low, high], (i,) each; `degree` and `intervals` only add up to their number."""
        return cls(low, high, degree, intervals, base, periodic)

    def adopt(self, buffers: Mapping[str, Tensor]) -> None:
        """Leave the buffers, whose shapes depend on the numbers of inputs and functions only."""

    @property
    def intervals(self) -> int:
        return self._intervals

    @property
    def functions(self) -> int:
        return self.degree + self._intervals

    def range(self) -> tuple[Tensor, Tensor]:
        return self.middle - self.reach, self.middle + self.reach

    def evaluate(self, x: Tensor, orders: int) -> Tensor:
        values = self.of_scaled((x - self.middle[:, None]) / self.reach[:, None], orders)
        scales = torch.stack([self.reach**-m for m in range(orders)])
        return values * scales[:, :, None, None]

    @abstractmethod
    def of_scaled(self, s: Tensor, orders: int) -> Tensor:
        """Return the derivatives 0 … orders − 1 of every function by s: (i, n) -> (orders, i, functions, n)."""

    def fit(self, i: int, x: Array, values: Array) -> Array:
        return np.asarray(np.linalg.lstsq(self._matrix(i, x), values, rcond=CUT)[0])

    def one(self, i: int) -> Tensor:
        low, high = (float(end[i]) for end in self.range())
        x = np.linspace(low, high, STATIONS * self.functions)
        return torch.as_tensor(self.fit(i, x, np.ones((len(x), 1)))[:, 0]).to(self.middle)

    def subset(self, inputs: Sequence[int]) -> ScaledBasis:
        which = list(inputs)
        low, high = (end[which].cpu().double().numpy() for end in self.range())
        periodic = tuple(self.periodic[i] for i in which)
        result = type(self)(low, high, self.degree, self._intervals, self.base, periodic).to(self.middle)
        mine = dict(self.named_buffers())
        result.adopt(mine)
        with torch.no_grad():
            for name, buffer in result.named_buffers():
                buffer.copy_(mine[name][which] if name in self.of_inputs else mine[name])
        result.straight = self.straight
        return result

    of_inputs: tuple[str, ...] = ("centre", "half_width", "middle", "reach")  # the buffers with an entry for each input

    def regrid(self, i: int, low: float, high: float, margin: float) -> None:
        for middle, reach in ((self.centre, self.half_width), (self.middle, self.reach)):
            middle[i], reach[i] = (low + high) / 2, (high - low) / 2 + margin

    def extend(self, low: Array, high: Array, coefficients: Tensor) -> Tensor:
        held = coefficients.detach().cpu().double().numpy()
        old_low, old_high = (end.cpu().double().numpy() for end in self.range())
        result = []
        for i in range(self.inputs):
            if low[i] >= old_low[i] and high[i] <= old_high[i]:
                result.append(held[i])
                continue
            x = np.linspace(low[i], high[i], STATIONS * self.functions)
            values = self._matrix(i, x) @ held[i]
            self.middle[i], self.reach[i] = (low[i] + high[i]) / 2, (high[i] - low[i]) / 2
            result.append(self.fit(i, x, values))
        return torch.as_tensor(np.stack(result))

    @property
    def growth(self) -> int:
        return self._intervals

    def refine(self, values: Array, mass: Array, coefficients: Tensor) -> Tensor:
        """Add as many functions as there are intervals, for all inputs; coefficients of the old ones stay."""
        held = coefficients.detach().cpu().double()
        more = held.new_zeros(held.shape[0], self.growth, held.shape[2])
        self.add(self.growth)
        return torch.cat([held, more], dim=1)

    def add(self, count: int) -> None:
        """Add finer functions after the present ones."""
        self._intervals += count

    def _matrix(self, i: int, x: Array) -> Array:
        """Return the functions of input i at x (n,): (n, functions)."""
        places = self.middle[:, None].double().repeat(1, len(x))
        places[i] = torch.as_tensor(x)
        with torch.no_grad():
            return np.asarray(self.evaluate(places.to(self.middle), 1)[0, i].T.cpu().double())
