"""What a family of edge functions answers: features with derivatives, least-squares fits, finer and smaller bases.

A new family is a class derived from `EdgeBasis` in a file of its own and a row in `kanpde.network.families`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from kanpde.arrays import Array
from kanpde.network.base_functions import BASE_FUNCTIONS


class EdgeBasis(nn.Module, ABC):
    """φ(x) = Σ_j c_j f_j(x) + w b(x): functions f_j for every input of a layer, each on an interval of its own.

    `base` names the function b of (x − centre) / half_width, None for none; its feature is the last. `periodic` has a
    flag for every input; a periodic one has no base function. Buffers hold all that a state_dict has to.
    """

    centre: Tensor
    half_width: Tensor

    def __init__(self, low: Array, high: Array, base: str | None, periodic: tuple[bool, ...] | None) -> None:
        """`low` and `high` (i,) are the ends of every input's interval."""
        super().__init__()
        self.base = base
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
        """Return the basis of a new network on [low, high], as fine as `degree` and `intervals` of a `KAN` say."""

    @abstractmethod
    def adopt(self, buffers: Mapping[str, Tensor]) -> None:
        """Take the shape of saved buffers, so that a state_dict loads."""

    @property
    def inputs(self) -> int:
        return len(self.periodic)

    @property
    @abstractmethod
    def intervals(self) -> int:
        """What `intervals` of `spanning` has to be to give this many functions."""

    @property
    @abstractmethod
    def functions(self) -> int:
        """How many functions an input has, without the base function."""

    @property
    def size(self) -> int:
        """How many features an input has."""
        return self.functions + (self.base is not None)

    @abstractmethod
    def range(self) -> tuple[Tensor, Tensor]:
        """Return the ends of every input's interval, (i,) each."""

    @abstractmethod
    def features(self, x: Tensor, orders: int) -> Tensor:
        """Return the derivatives 0 … orders − 1 of every feature: x (n, i) -> (i, orders, n, size)."""

    def base_features(self, x: Tensor, orders: int) -> Tensor:
        """Return the base function's derivatives by x (n, i): (orders, n, i)."""
        scaled = (x - self.centre) / self.half_width
        values = BASE_FUNCTIONS[str(self.base)](scaled, orders)
        result = torch.stack([value / self.half_width**m for m, value in enumerate(values)])
        return result * ~self.periodic_mask(x) if any(self.periodic) else result

    def periodic_mask(self, x: Tensor) -> Tensor:
        """Return `periodic` as a tensor on the device of x."""
        return torch.tensor(self.periodic, device=x.device)

    @abstractmethod
    def fit(self, i: int, x: Array, values: Array) -> Array:
        """Return least-squares coefficients (functions, c) of input i for values (points, c) at x."""

    @abstractmethod
    def one(self, i: int) -> Tensor:
        """Return the coefficients (functions,) with which the functions of input i add up to one."""

    @abstractmethod
    def subset(self, inputs: Sequence[int]) -> EdgeBasis:
        """Return the basis of some of the inputs, the functions the same."""

    @abstractmethod
    def regrid(self, i: int, low: float, high: float, margin: float) -> None:
        """Move the functions of input i evenly to [low − margin, high + margin]."""

    @property
    @abstractmethod
    def growth(self) -> int:
        """How many functions `refine` adds to an input."""

    @abstractmethod
    def refine(self, values: Array, mass: Array, coefficients: Tensor) -> Tensor:
        """Add functions where most of the `mass` (n,) at inputs `values` (n, i) is.

        Returns the coefficients (i, functions, o), in double precision on the CPU, of what these were before.
        """
