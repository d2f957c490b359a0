"""Functions of one variable with derivatives in closed form, as functions that autograd differentiates with these.

Autograd would differentiate the code that computes a function: it stores every intermediate result, and computes a
derivative of order m through m sweeps. The derivatives in closed form are one more column of the same evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Maps x (i, n) and a number of orders to derivatives 0 … orders − 1 of g functions of each x, (orders, i, g, n).
Evaluate = Callable[[Tensor, int], Tensor]


def differentiable(evaluate: Evaluate, x: Tensor, orders: int) -> Tensor:
    """Return evaluate(x, orders), whose derivatives by x of every order are again values of `evaluate`.

    It works with `torch.autograd`, also for higher derivatives, and with `torch.func`. A compiler sees the code itself.
    """
    if torch.compiler.is_compiling() or not (x.requires_grad and torch.is_grad_enabled()):
        return evaluate(x, orders)
    values: Tensor = _WithSlopes.apply(x, evaluate, orders)[0]  # type: ignore[no-untyped-call]
    return values


class _WithSlopes(torch.autograd.Function):
    """(f, f', …, f^(M−1)) and (f', …, f^(M)), both differentiable outputs, so that the slopes may be kept."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, evaluate: Evaluate, orders: int) -> tuple[Tensor, Tensor]:
        whole = evaluate(x, orders + 1)
        return whole[:-1], whole[1:]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Evaluate, int], output: tuple[Tensor, Tensor]) -> None:
        x, ctx.evaluate, ctx.orders = inputs
        ctx.save_for_backward(x, output[1])
        ctx.save_for_forward(x, output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor | None) -> tuple[Tensor | None, None, None]:
        x, slopes = ctx.saved_tensors
        first, second = adjoints
        result = None if first is None else (first * slopes).sum(dim=(0, 2))
        if second is not None:
            curvatures = differentiable(ctx.evaluate, x, ctx.orders + 2)[2:]
            further = (second * curvatures).sum(dim=(0, 2))
            result = further if result is None else result + further
        return result, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, Tensor]:
        x, slopes = ctx.saved_tensors
        moved = tangent[:, None]
        return slopes * moved, differentiable(ctx.evaluate, x, ctx.orders + 2)[2:] * moved
