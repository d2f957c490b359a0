"""Operations on tensors that torch lacks, or defines with other conventions than SymPy."""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable
from typing import Any

import sympy as sp
import torch
from torch import Tensor

Operation = Callable[..., Any]


def add(*terms: Any) -> Any:
    """Return the sum of tensors and numbers."""
    return functools.reduce(operator.add, terms)


def multiply(*factors: Any) -> Any:
    """Return the product of tensors and numbers."""
    return functools.reduce(operator.mul, factors)


def power(exponent: sp.Expr) -> Operation:
    """Return x -> x**exponent for a constant exponent, by torch's most accurate operation."""
    if exponent == sp.Rational(1, 2):
        return torch.sqrt
    if exponent == -sp.Rational(1, 2):
        return torch.rsqrt
    value = float(exponent)
    # An integer exponent, even if written as a float, must keep powers of negative bases real.
    constant = int(value) if value.is_integer() else value
    return lambda base: torch.pow(base, constant)


def from_scipy(name: str) -> Operation:
    """Return one of SciPy's functions that torch lacks, as an operation without a gradient."""

    def call(*arguments: Tensor) -> Tensor:
        function = getattr(importlib.import_module("scipy.special"), name)
        values = function(*(a.detach().cpu().double().numpy() for a in arguments))
        return torch.as_tensor(values, dtype=arguments[-1].dtype, device=arguments[-1].device)

    return call


def one_over(function: Operation) -> Operation:
    """Return x -> 1/f(x)."""
    return lambda x: 1 / function(x)


def at_reciprocal(function: Operation) -> Operation:
    """Return x -> f(1/x)."""
    return lambda x: function(1 / x)


def smallest(*values: Tensor) -> Tensor:
    """Return the smallest of several values, point by point."""
    return functools.reduce(torch.minimum, values)


def largest(*values: Tensor) -> Tensor:
    """Return the largest of several values, point by point."""
    return functools.reduce(torch.maximum, values)


def heaviside(x: Tensor, at_zero: Tensor) -> Tensor:
    """Return 0 below zero, 1 above it, and `at_zero` at zero."""
    return torch.where(x > 0, torch.ones_like(x), torch.where(x < 0, torch.zeros_like(x), at_zero))


def zero(x: Tensor, *_: Tensor) -> Tensor:
    """Return 0 everywhere."""
    return torch.zeros_like(x)


def lambert_w(x: Tensor, branch: Tensor | None = None) -> Tensor:
    """Return Lambert's W, w e^w = x, by SciPy."""
    lambertw = importlib.import_module("scipy.special").lambertw
    values = lambertw(x.detach().cpu().double().numpy(), 0 if branch is None else int(branch))
    return torch.as_tensor(values.real, dtype=x.dtype, device=x.device)
