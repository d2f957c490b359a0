"""Derivatives in a fork of a process whose autograd engine has threads.

Where there is a card, the first reverse sweep starts a thread for it, and torch refuses reverse sweeps in every fork
from then on. Forward mode needs no engine: one sweep for each direction, exact as well.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

_engine = True  # False in a fork of a process whose engine has threads


def lose_engine() -> None:
    """Let all derivatives of this process, which is a fork, be computed in forward mode."""
    global _engine
    _engine = False


def engine() -> bool:
    """Return False if reverse sweeps are impossible in this process."""
    return _engine


def load() -> None:
    """Load what torch needs for forward mode, before a fork, so that its forks need not do it again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch compiles it by a function of its own that is going
        from torch._decomp import decompositions_for_jvp  # noqa: F401


def partial(function: Callable[[Tensor], Tensor], points: Tensor, axes: Sequence[int]) -> Tensor:
    """Return ∂^axes f at points (..., d), of a function from points to values (...)."""
    load()
    points = points.detach()
    if len(axes) == 1:
        return _slope(function, [points], 0, _direction(points, axes[0])).detach()
    for axis in axes:
        function = _along(function, axis)
    return function(points).detach()


def _direction(points: Tensor, axis: int) -> Tensor:
    direction = torch.zeros_like(points)
    direction[..., axis] = 1
    return direction


def _along(function: Callable[[Tensor], Tensor], axis: int) -> Callable[[Tensor], Tensor]:
    """Return a function's derivative as a function, which torch can nest; it needs seconds to load."""

    def derivative(points: Tensor) -> Tensor:
        return torch.func.jvp(function, (points,), (_direction(points, axis),))[1]  # type: ignore[no-any-return]

    return derivative


def _slope(function: Callable[..., Tensor], inputs: Sequence[Tensor], number: int, direction: Tensor) -> Tensor:
    """Return the derivative of a function's values along a direction of one of its inputs."""
    with forward_ad.dual_level():
        given = [*inputs]
        given[number] = forward_ad.make_dual(inputs[number], direction)  # type: ignore[no-untyped-call]
        values, slope = forward_ad.unpack_dual(function(*given))  # type: ignore[no-untyped-call]
    return torch.zeros_like(values) if slope is None else slope


def pointwise(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Return the values (c, n) of a function of inputs (n, ...), and their derivatives (c, n, ...) by each of them.

    The value at a point depends on the inputs at this point only.
    """
    load()
    found, values = [], function(*inputs)
    for number, given in enumerate(inputs):
        shape, size = given.shape, given[0].numel()
        columns = [
            _slope(function, inputs, number, _direction(given.view(len(given), size), column).view(shape))
            for column in range(size)
        ]
        stacked = torch.stack(columns, dim=-1) if columns else values.new_zeros(*values.shape, 0)
        found.append(stacked.view(*values.shape, *shape[1:]))
    return values, found
