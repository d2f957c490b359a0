"""The interface of a family of edge functions: features with derivatives, least-squares fits, refinement, subsets.

A new family is a class derived from `EdgeBasis` in its own file and a row in `kanpde.network.families`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.calculus.arrays import Array
from kanpde.errors import ConfigurationError
from kanpde.network.base_functions import BASE_FUNCTIONS
from kanpde.network.differentiable import differentiable


class EdgeBasis(nn.Module, ABC):
    """φ(x) = Σ_j c_j f_j(x) + w b(x): functions f_j for each input of a layer, on the input's interval.

    `base` is the name of b, a function of (x − centre) / half_width; if it is None there is no such term. Its feature
    is the last one. `periodic` has one flag for each input; a periodic input has no base function. All that a
    state_dict must contain is registered as buffers.
    """

    centre: Tensor
    half_width: Tensor

    def __init__(self, low: Array, high: Array, base: str | None, periodic: tuple[bool, ...] | None) -> None:
        """Set the inputs' intervals [low, high], (i,) each."""
        super().__init__()
        self.base = base
        self.straight = True  # beyond the intervals polynomials go on as lines; False: as polynomials
        self.periodic = periodic or (False,) * len(low)
        self.register_buffer("centre", torch.as_tensor((low + high) / 2))
        self.register_buffer("half_width", torch.as_tensor((high - low) / 2))

    @classmethod
    @abstractmethod
    def spanning(
        cls,
        low: Array,
        high: Array,
        *,
        degree: int,
        intervals: int,
        base: str | None,
        periodic: tuple[bool, ...] | None,
    ) -> EdgeBasis:
        """Return the basis of a new network on [low, high], (i,) each, with `degree` and `intervals` as in `KAN`."""

    @abstractmethod
    def adopt(self, buffers: Mapping[str, Tensor]) -> None:
        """Set the shapes to those of saved buffers, so that a state_dict can be loaded."""

    @property
    def inputs(self) -> int:
        return len(self.periodic)

    @property
    @abstractmethod
    def intervals(self) -> int:
        """The value of `intervals` for which `spanning` returns this number of functions."""

    @property
    @abstractmethod
    def functions(self) -> int:
        """The number of functions of an input, without the base function."""

    @property
    def size(self) -> int:
        """The number of features of an input, with the base function."""
        return self.functions + (self.base is not None)

    @abstractmethod
    def range(self) -> tuple[Tensor, Tensor]:
        """Return the ends of every input's interval, (i,) each."""

    def breakpoints(self) -> Array:
        """Return ends of intervals on which each input's functions are smooth, (i, n + 1); here equidistant ones."""
        low, high = (end.double().cpu().numpy() for end in self.range())
        return np.linspace(low, high, self.intervals + 1, axis=1)

    def features(self, x: Tensor, orders: int) -> Tensor:
        """Return the derivatives 0 … orders − 1 of every feature: x (n, i) -> (i, orders, n, size)."""
        if x.requires_grad and torch.is_grad_enabled():
            whole = torch.stack(self.columns(x.T.contiguous(), orders))
        else:
            whole = self._whole(x.T.contiguous().to(self.centre.dtype), orders)
        return whole.permute(1, 0, 3, 2)

    def columns(self, x: Tensor, orders: int) -> tuple[Tensor, ...]:
        """Return the derivatives 0 … orders − 1 of every feature, points last: x (i, n) -> (i, size, n) for each order.

        They are computed in the basis's own precision, and differentiable by x any number of times.
        """
        return differentiable(self._whole, x.to(self.centre.dtype), orders)

    def curves(self, coefficients: Tensor, x: Tensor, orders: int) -> list[Tensor]:
        """Return the derivatives 0 … orders − 1 of edge functions with coefficients (i, size, o) at x (i, n).

        They are (i, o, n) for each order.
        """
        return [torch.matmul(coefficients.transpose(1, 2), column) for column in self.columns(x, orders)]

    def lines(self, coefficients: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return α and β (i, o) if all edges with coefficients (i, size, o) are known to be α + β h, and else None."""
        return None

    def _whole(self, x: Tensor, orders: int) -> Tensor:
        functions = self.evaluate(x, orders)
        return functions if self.base is None else torch.cat([functions, self.base_features(x, orders)], dim=2)

    @abstractmethod
    def evaluate(self, x: Tensor, orders: int) -> Tensor:
        """Return the derivatives 0 … orders − 1 of every function in closed form: (i, n) -> (orders, i, functions, n).

        Beyond the ends of its interval a function goes on linearly, or in another way that stays bounded. The code
        must be differentiable by autograd as well, because a compiler differentiates it.
        """

    def base_features(self, x: Tensor, orders: int) -> Tensor:
        """Return the derivatives 0 … orders − 1 of the base function at x (i, n): (orders, i, 1, n)."""
        width = self.half_width[:, None]
        values = BASE_FUNCTIONS[str(self.base)]((x - self.centre[:, None]) / width, orders)
        result = torch.stack([value / width**m for m, value in enumerate(values)])[:, :, None]
        return result * ~self.periodic_mask(x)[:, None, None] if any(self.periodic) else result

    def periodic_mask(self, x: Tensor) -> Tensor:
        """Return `periodic` as a tensor on the device of x."""
        return torch.tensor(self.periodic, device=x.device)

    @abstractmethod
    def fit(self, i: int, x: Array, values: Array) -> Array:
        """Return least-squares coefficients (functions, c) of input i for values (points, c) at x."""

    @abstractmethod
    def one(self, i: int) -> Tensor:
        """Return the coefficients (functions,) of the constant function 1 of input i."""

    @abstractmethod
    def subset(self, inputs: Sequence[int]) -> EdgeBasis:
        """Return the basis of some of the inputs, with the same functions."""

    @abstractmethod
    def regrid(self, i: int, low: float, high: float, margin: float) -> None:
        """Replace the functions of input i by evenly spaced ones on [low − margin, high + margin]."""

    def set_breakpoints(self, i: int, breakpoints: Array) -> None:
        """Put the ends of the intervals of input i at `breakpoints` (n + 1,); families without knots refuse."""
        raise ConfigurationError(
            f"expected B-splines to place knots at quantiles, got {type(self).__name__}; call update_grid instead"
        )

    @abstractmethod
    def extend(self, low: Array, high: Array, coefficients: Tensor) -> Tensor:
        """Move the ends of the inputs' intervals out to [low, high], (i,) each; the number of functions stays.

        Return the coefficients (i, functions, o) of the same edge functions, or of the nearest ones, in double
        precision on the CPU.
        """

    def widen(self, low: Array, high: Array, coefficients: Tensor) -> Tensor:
        """Extend as `extend` does, or with more functions where these keep the continuation beyond the ends bounded."""
        return self.extend(low, high, coefficients)

    @property
    @abstractmethod
    def growth(self) -> int:
        """The number of functions that `refine` adds to an input."""

    @abstractmethod
    def refine(self, values: Array, mass: Array, coefficients: Tensor) -> Tensor:
        """Add functions where most of the `mass` (n,) at inputs `values` (n, i) is.

        Return the coefficients (i, functions, o) of the same edge functions in the refined basis, in double precision
        on the CPU.
        """
