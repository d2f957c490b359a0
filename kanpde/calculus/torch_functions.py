"""The tensor operation behind each SymPy function, for :mod:`kanpde.expressions`."""

from __future__ import annotations

import functools
import importlib
import math
import operator
from collections.abc import Callable
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from kanpde.errors import ProblemError

Operation = Callable[..., Any]


def add(*terms: Any) -> Any:
    """The sum of tensors and numbers."""
    return functools.reduce(operator.add, terms)


def multiply(*factors: Any) -> Any:
    """The product of tensors and numbers."""
    return functools.reduce(operator.mul, factors)


def power(exponent: sp.Expr) -> Operation:
    """x -> x**exponent for a constant exponent, by the most exact operation there is."""
    if exponent == sp.Rational(1, 2):
        return torch.sqrt
    if exponent == -sp.Rational(1, 2):
        return torch.rsqrt
    value = float(exponent)
    # An exponent that is a whole number, written as a float, must leave negative bases real.
    constant = int(value) if value.is_integer() else value
    return lambda base: torch.pow(base, constant)


def _host(name: str) -> Operation:
    """A function that torch lacks, by SciPy: values at points only, no gradient flows through it."""

    def call(*arguments: Tensor) -> Tensor:
        function = getattr(importlib.import_module("scipy.special"), name)
        values = function(*(a.detach().cpu().double().numpy() for a in arguments))
        return torch.as_tensor(values, dtype=arguments[-1].dtype, device=arguments[-1].device)

    return call


def _one_over(function: Operation) -> Operation:
    return lambda x: 1 / function(x)


def _inverse_of(function: Operation) -> Operation:
    return lambda x: function(1 / x)


def _smallest(*values: Tensor) -> Tensor:
    return functools.reduce(torch.minimum, values)


def _largest(*values: Tensor) -> Tensor:
    return functools.reduce(torch.maximum, values)


def _heaviside(x: Tensor, at_zero: Tensor) -> Tensor:
    return torch.where(x > 0, torch.ones_like(x), torch.where(x < 0, torch.zeros_like(x), at_zero))


def _nothing(x: Tensor, *_: Tensor) -> Tensor:
    return torch.zeros_like(x)


def _lambert(x: Tensor, branch: Tensor | None = None) -> Tensor:
    lambertw = importlib.import_module("scipy.special").lambertw
    values = lambertw(x.detach().cpu().double().numpy(), 0 if branch is None else int(branch))
    return torch.as_tensor(values.real, dtype=x.dtype, device=x.device)


_OPERATIONS: dict[Any, Operation] = {
    sp.exp: torch.exp, sp.log: torch.log, sp.Abs: torch.abs, sp.sign: torch.sign,
    sp.floor: torch.floor, sp.ceiling: torch.ceil, sp.Mod: torch.remainder, sp.Min: _smallest, sp.Max: _largest,
    sp.sin: torch.sin, sp.cos: torch.cos, sp.tan: torch.tan,
    sp.cot: _one_over(torch.tan), sp.sec: _one_over(torch.cos), sp.csc: _one_over(torch.sin),
    sp.asin: torch.asin, sp.acos: torch.acos, sp.atan: torch.atan, sp.atan2: torch.atan2,
    sp.acot: _inverse_of(torch.atan), sp.asec: _inverse_of(torch.acos), sp.acsc: _inverse_of(torch.asin),
    sp.sinh: torch.sinh, sp.cosh: torch.cosh, sp.tanh: torch.tanh,
    sp.coth: _one_over(torch.tanh), sp.sech: _one_over(torch.cosh), sp.csch: _one_over(torch.sinh),
    sp.asinh: torch.asinh, sp.acosh: torch.acosh, sp.atanh: torch.atanh,
    sp.acoth: _inverse_of(torch.atanh), sp.asech: _inverse_of(torch.acosh), sp.acsch: _inverse_of(torch.asinh),
    sp.sinc: lambda x: torch.sinc(x / math.pi), sp.Heaviside: _heaviside,
    # The derivative of a jump: zero almost everywhere, and points never sit on the jump.
    sp.DiracDelta: _nothing,
    sp.erf: torch.erf, sp.erfc: torch.erfc, sp.erfinv: torch.erfinv, sp.erfi: _host("erfi"),
    sp.gamma: _host("gamma"), sp.loggamma: torch.lgamma, sp.LambertW: _lambert,
    sp.besselj: _host("jv"), sp.bessely: _host("yv"), sp.besseli: _host("iv"), sp.besselk: _host("kv"),
    sp.elliptic_k: _host("ellipk"), sp.elliptic_e: _host("ellipe"), sp.Ei: _host("expi"),
    sp.StrictGreaterThan: operator.gt, sp.GreaterThan: operator.ge,
    sp.StrictLessThan: operator.lt, sp.LessThan: operator.le,
    sp.Equality: operator.eq, sp.Unequality: operator.ne,
    sp.And: lambda *c: functools.reduce(torch.logical_and, c), sp.Or: lambda *c: functools.reduce(torch.logical_or, c),
    sp.Not: torch.logical_not,
}  # fmt: skip


def operation(expression: sp.Basic) -> Operation:
    """The operation of tensors that an expression's outermost function stands for; ProblemError where there is none."""
    found = _OPERATIONS.get(expression.func)
    if found is None or (expression.func is sp.elliptic_e and len(expression.args) > 1):
        raise ProblemError(
            f"expected functions that have a numerical counterpart, got {type(expression).__name__} in {expression}; "
            "rewrite it, or give a torch callable instead"
        )
    return found
