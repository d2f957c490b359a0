"""The moments of a torch optimiser, such as Adam's, when a parameter is replaced by one of another size."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from kanpde.errors import ConfigurationError


def require_moments(optimiser: torch.optim.Optimizer | None, parameters: Iterable[Tensor]) -> None:
    """Raise ConfigurationError if the optimiser has none of the parameters, or a state of another kind than moments."""
    if optimiser is None:
        return
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise ConfigurationError(f"expected an optimiser of torch such as torch.optim.Adam, got {optimiser!r}")
    own = {parameter for group in optimiser.param_groups for parameter in group["params"]}
    held = own.intersection(parameters)
    if not held:
        raise ConfigurationError("expected an optimiser of this network's parameters, got one of others")
    for parameter in held:
        for name, value in optimiser.state.get(parameter, {}).items():
            number = not isinstance(value, (Tensor, list, tuple)) or (isinstance(value, Tensor) and value.dim() == 0)
            if not number and getattr(value, "shape", None) != parameter.shape:
                raise ConfigurationError(
                    f"expected an optimiser whose state has a number for each parameter, such as Adam, got "
                    f"{type(optimiser).__name__} with {name!r}; make a new one after the change"
                )


def hand_over(optimiser: torch.optim.Optimizer, old: Tensor, new: Tensor, matrices: Tensor) -> None:
    """Put the coefficients `new` in the place of the coefficients `old` (i, g, o), with their moments.

    With new = T old and the `matrices` T (i, more, g), a slope by an old coefficient is shared among new ones by
    W = |T|, divided by the sum of each column: first moments become W m, and moments of squares (W √v)².
    """
    for group in optimiser.param_groups:
        group["params"] = [new if parameter is old else parameter for parameter in group["params"]]
    if old not in optimiser.state:
        return
    shares = matrices.abs() / matrices.abs().sum(dim=1, keepdim=True).clamp_min(torch.finfo(new.dtype).tiny)
    functions = shares.shape[2]

    def moved(moment: Tensor) -> Tensor:
        return torch.cat([shares.to(moment) @ moment[:, :functions], moment[:, functions:]], dim=1)

    state = optimiser.state.pop(old)
    for name, value in state.items():
        if isinstance(value, Tensor) and value.dim():
            squares = bool((value >= 0).all())
            state[name] = moved(value.sqrt()).square() if squares else moved(value)
    optimiser.state[new] = state
