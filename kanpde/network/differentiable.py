"""Functions of one variable with derivatives in closed form, as functions that autograd differentiates with these.

Autograd would differentiate the code that computes a function: it stores every intermediate result, and computes a
derivative of order m through m sweeps. The derivatives in closed form are one more column of the same evaluation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Maps x (i, n) and a number of orders to derivatives 0 … orders − 1 of g functions of each x, (orders, i, g, n).
Evaluate = Callable[[Tensor, int], Tensor]


def differentiable(evaluate: Evaluate, x: Tensor, orders: int) -> tuple[Tensor, ...]:
    """Return evaluate(x, orders), an entry for each order, whose derivatives by x are again values of `evaluate`.

    It works with `torch.autograd`, also for higher derivatives, and with `torch.func`. A compiler and a tracer see the
    code itself.
    """
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if traced or not (x.requires_grad and torch.is_grad_enabled()):
        return evaluate(x, orders).unbind()
    values: tuple[Tensor, ...] = _WithSlope.apply(x, evaluate, orders)[:orders]  # type: ignore[no-untyped-call]
    return values


class _WithSlope(torch.autograd.Function):
    """f, f', …, f^(M): each order's derivative is the next one, and all are outputs, so that they may be kept."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, evaluate: Evaluate, orders: int) -> tuple[Tensor, ...]:
        return evaluate(x, orders + 1).unbind()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Evaluate, int], output: tuple[Tensor, ...]) -> None:
        x, ctx.evaluate, ctx.orders = inputs
        ctx.save_for_backward(x, *output[1:])
        ctx.save_for_forward(x, *output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor | None) -> tuple[Tensor | None, None, None]:
        x, *slopes = ctx.saved_tensors
        if adjoints[-1] is not None:
            slopes.append(differentiable(ctx.evaluate, x, ctx.orders + 2)[-1])
        total: Tensor | None = None
        for adjoint, slope in zip(adjoints, slopes, strict=False):
            if adjoint is not None:
                total = adjoint * slope if total is None else torch.addcmul(total, adjoint, slope)
        return None if total is None else total.sum(dim=1), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, ...]:
        x, *slopes = ctx.saved_tensors
        slopes.append(differentiable(ctx.evaluate, x, ctx.orders + 2)[-1])
        return tuple(slope * tangent[:, None] for slope in slopes)


# torch binds the arguments of every call by the signature, which takes longer to find than a small layer to compute.
_WithSlope.forward.__signature__ = inspect.signature(_WithSlope.forward)  # type: ignore[attr-defined]
