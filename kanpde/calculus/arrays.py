"""Types of numerical data: arrays, multi-indices of partial derivatives, and constants that follow a tensor."""

from __future__ import annotations

from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.errors import ProblemError, short

Array = npt.NDArray[np.float64]
# A partial derivative as its sorted axes: () is the value, (0,) u_x, (0, 0) u_xx, (0, 1) u_xt.
MultiIndex = tuple[int, ...]


def real_array(given: Any) -> Array:
    """Return a tensor, an array or a list of real numbers as an array; raise ProblemError for anything else.

    NumPy alone would drop imaginary parts, and read words and dates as numbers.
    """
    try:
        array = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
        # Objects may be exact numbers, and None, which NumPy would read as nan.
        real = array.dtype.kind in "biuf" or all(isinstance(item, SupportsFloat) for item in array.flat)
        if real and array.dtype.kind in "biufO":
            return np.array(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        pass  # ragged lists, and objects that are no numbers
    raise ProblemError(f"expected an array of real numbers, got {short(given)}")


class Constant:
    """An array that follows tensors to their dtype and device."""

    def __init__(self, array: Any) -> None:
        self._array = np.asarray(array)
        self._copies: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def like(self, tensor: Tensor) -> Tensor:
        """Return the array as a tensor of the other's dtype on its device, copied there once."""
        key = (tensor.dtype, tensor.device)
        if key not in self._copies:
            self._copies[key] = torch.as_tensor(self._array, dtype=tensor.dtype, device=tensor.device)
        return self._copies[key]
