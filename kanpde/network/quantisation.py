"""Coefficients as whole numbers of few bits: c = s q with one step s for each edge and |q| < 2^(bits − 1).

Rounding moves a coefficient by at most s/2. B-splines add up to one, so it moves an edge function by at most s/2 too,
wherever it is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kanpde.errors import ConfigurationError, number

PIECES = "pieces"
NAME, WHOLE, STEP = "coefficients", "coefficients.whole", "coefficients.step"
LEAST, MOST = 2, 16  # bits


def packed(state: Mapping[str, Tensor], bits: int) -> dict[str, Tensor]:
    """Return a state_dict with whole numbers and steps in place of coefficients (i, g, o).

    The polynomials of splines on knots that are not equidistant are left out, because they follow from the knots.

    Raises ConfigurationError if the number of bits is not a whole number from 2 to 16.
    """
    if not (number(bits, whole=True) and LEAST <= bits <= MOST):
        raise ConfigurationError(f"expected bits to be a whole number from {LEAST} to {MOST}, got {bits!r}")
    largest, kind = 2 ** (int(bits) - 1) - 1, torch.int8 if bits <= 8 else torch.int16
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.rpartition(".")[2] != NAME:
            if not (name.rpartition(".")[2] == PIECES and tensor.dim() == 4):
                result[name] = tensor
            continue
        step = tensor.abs().amax(dim=1, keepdim=True) / largest
        start = name.removesuffix(NAME)
        result[start + WHOLE] = torch.round(tensor / step.clamp_min(torch.finfo(tensor.dtype).tiny)).to(kind)
        result[start + STEP] = step
    return result


def unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state_dict that `packed` has packed, up to rounding; another one as it is."""
    result = {name: tensor for name, tensor in tensors.items() if not name.endswith((WHOLE, STEP))}
    for name, whole in tensors.items():
        if name.endswith(WHOLE):
            start = name.removesuffix(WHOLE)
            step = tensors[start + STEP]
            result[start + NAME] = whole.to(step.dtype) * step
    return result
