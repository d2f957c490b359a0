"""The library of functions of one variable in formulas.

A :class:`Basis` is a few functions with common nonlinear constants, for example sin(b s), cos(b s). Fits determine its
span, so no phase, shift or scale is redundant with another constant. Each function is defined once, in SymPy; its torch
form and its derivatives are generated from that definition.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import torch_function
from kanpde.calculus.functions import registered
from kanpde.errors import ConfigurationError, nearest

Starts = Callable[[float, float, int], Array]
Function = Callable[[Any], Any]

VARIABLE = sp.Symbol("s", real=True)
B, C = sp.symbols("p0 p1", real=True)
# The largest degree of a polynomial in the library.
LARGEST_DEGREE = 6


@dataclass(frozen=True)
class Basis:
    """Functions of VARIABLE with the nonlinear constants `parameters`.

    `starts(low, high, count)` returns initial guesses (S, p) for a variable in [low, high] sampled at `count` points.
    """

    name: str
    functions: tuple[sp.Expr, ...]
    parameters: tuple[sp.Symbol, ...] = ()
    starts: Starts = field(default=lambda low, high, count: np.zeros((1, 0)), compare=False)

    def values(self, variable: Tensor, parameters: Tensor) -> Tensor:
        """Return the functions at points (n,) for guesses (S, p): (S, n, functions)."""
        return _stacked(self.functions, self.parameters, variable, parameters)

    def slopes(self, variable: Tensor, parameters: Tensor) -> Tensor:
        """Return the derivatives of the functions by each constant: (S, n, functions, p)."""
        derivatives = [_differentiated(self.functions, p) for p in self.parameters]
        return torch.stack([_stacked(d, self.parameters, variable, parameters) for d in derivatives], dim=-1)


def _stacked(
    functions: tuple[sp.Expr, ...], parameters: tuple[sp.Symbol, ...], variable: Tensor, guesses: Tensor
) -> Tensor:
    columns = [variable[None, :], *(guesses[:, k, None] for k in range(len(parameters)))]
    shape = (len(guesses), len(variable))
    return torch.stack([f(*columns).expand(shape) for f in _compiled(functions, parameters)], dim=-1)


@functools.lru_cache(maxsize=1024)
def _differentiated(functions: tuple[sp.Expr, ...], parameter: sp.Symbol) -> tuple[sp.Expr, ...]:
    return tuple(sp.diff(f, parameter) for f in functions)


@functools.lru_cache(maxsize=1024)
def _compiled(functions: tuple[sp.Expr, ...], parameters: tuple[sp.Symbol, ...]) -> tuple[Callable[..., Tensor], ...]:
    names = [symbol.name for symbol in (VARIABLE, *parameters)]
    return tuple(torch_function(f, names) for f in functions)


def polynomials(largest: int = LARGEST_DEGREE) -> list[Basis]:
    """Return the bases 1, s, …, s^m for every m up to `largest`."""
    return [Basis("polynomial", tuple(VARIABLE**k for k in range(m + 1))) for m in range(largest + 1)]


def grid_of(*columns: Iterable[float]) -> Array:
    """Return the Cartesian product of the columns, one combination per row."""
    return np.array(list(itertools.product(*columns)), dtype=np.float64)


def rates(low: float, high: float, count: int) -> Array:
    """Return rates b of both signs with |b| · length from 0.1 to 30."""
    size = np.geomspace(0.1, 30, 14) / (high - low)
    return grid_of(np.concatenate([-size[::-1], size]))


def positive_rates(low: float, high: float, count: int) -> Array:
    """Return rates b with b · length from 0.1 to 30."""
    return grid_of(np.geomspace(0.1, 30, 14) / (high - low))


def frequencies(low: float, high: float, count: int) -> Array:
    """Return frequencies from a quarter wave on the interval to the Nyquist frequency."""
    return grid_of(np.arange(1, count) * np.pi / 2 / (high - low))


def squared(starts: Starts) -> Starts:
    """Return the guesses of a function of s^2."""

    def of_square(low: float, high: float, count: int) -> Array:
        return starts(0.0, max(low**2, high**2), count)

    return of_square


def steps(low: float, high: float, count: int) -> Array:
    """Return (b, c) of b s + c with zeros in and near the interval and widths 1/b from its length to a fortieth."""
    length = high - low
    steepness = np.array([1.0, 2.5, 6.0, 15.0, 40.0]) / length
    centres = low + length * np.linspace(-0.25, 1.25, 13)
    return np.array([(b, -b * centre) for b in steepness for centre in centres])


def bells(low: float, high: float, count: int) -> Array:
    """Return (b, c) of exp(b s^2 + c s) with centres in and near the interval, for decay (b < 0) and growth."""
    length = high - low
    bend = np.array([-100.0, -30.0, -10.0, -3.0, -1.0, -0.3, 0.3, 1.0, 3.0]) / length**2
    return np.array([(b, -2 * b * centre) for b in bend for centre in low + length * np.linspace(-0.25, 1.25, 9)])


def damped(low: float, high: float, count: int) -> Array:
    """Return (rate, frequency) of damped and growing waves."""
    return grid_of(np.array([-6.0, -2.0, -0.7, 0.7, 2.0]) / (high - low), frequencies(low, high, count // 3)[:, 0])


def shifts(low: float, high: float, count: int) -> Array:
    """Return c with s + c > 0 on the interval."""
    return grid_of(-low + (high - low) * np.geomspace(0.02, 8, 9))


def mirrored(starts: Starts) -> Starts:
    """Return the guesses of a function of -s."""

    def of_negative(low: float, high: float, count: int) -> Array:
        return starts(-high, -low, count)

    return of_negative


def powers(low: float, high: float, count: int) -> Array:
    """Return (shift, exponent) of powers of s + shift > 0."""
    return grid_of(shifts(low, high, count)[:, 0], (-3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.5))


def composed(name: str, function: Function, degree: int = 1) -> Basis:
    """Return the basis 1, f, …, f^degree with f = function(b s + c)."""
    outer = function(B * VARIABLE + C)
    return Basis(name, tuple(outer**k for k in range(degree + 1)), (B, C), steps)


def _shipped() -> dict[str, tuple[Basis, ...]]:
    """Return the built-in bases by the name of their function."""
    s, e = VARIABLE, sp.exp(B * VARIABLE)
    wave, wave2 = (sp.sin(B * s), sp.cos(B * s)), (sp.sin(B * s**2), sp.cos(B * s**2))
    fading = tuple(sp.exp(B * s) * f(C * s) for f in (sp.sin, sp.cos))
    bell = sp.exp(B * s**2 + C * s)
    one = (sp.S.One,)
    return {
        "exp": (
            Basis("exp", (e,), (B,), rates),
            Basis("exp", (*one, e), (B,), rates),
            Basis("exp", (e, s * e), (B,), rates),
            Basis("exp", (e, s * e, s**2 * e, s**3 * e), (B,), rates),
            Basis("exp", (sp.exp(B * s**2),), (B,), squared(rates)),
            Basis("exp", tuple(s**k * sp.exp(B * s**2) for k in range(4)), (B,), squared(rates)),
            Basis("exp", (*one, sp.exp(B * s**2)), (B,), squared(rates)),
        ),
        "sin": (
            Basis("sin", wave, (B,), frequencies),
            Basis("sin", (*one, *wave), (B,), frequencies),
            Basis("sin", fading, (B, C), damped),
            Basis("sin", (*wave, *(s * w for w in wave)), (B,), frequencies),
            Basis("sin", tuple(s**k * w for k in range(3) for w in wave), (B,), frequencies),
            Basis("sin", wave2, (B,), squared(frequencies)),
            Basis("sin", (*one, *wave2), (B,), squared(frequencies)),
        ),
        "gaussian": (
            Basis("gaussian", (bell,), (B, C), bells),
            Basis("gaussian", (*one, bell), (B, C), bells),
            Basis("gaussian", (bell, s * bell, s**2 * bell), (B, C), bells),
        ),
        "tanh": (composed("tanh", sp.tanh), composed("tanh", sp.tanh, 2)),
        "sech": (composed("sech", sp.sech), composed("sech", lambda z: sp.sech(z) ** 2)),
        "atan": (composed("atan", sp.atan), composed("atan", lambda z: sp.atan(sp.exp(z)))),
        "tan": (composed("tan", sp.tan),),
        "erf": (composed("erf", sp.erf),),
        "power": (
            Basis("power", ((s + B) ** C,), (B, C), powers),
            Basis("power", (*one, (s + B) ** C), (B, C), powers),
        ),
        "log": (
            Basis("log", (*one, sp.log(s + B)), (B,), shifts),
            Basis("log", (*one, sp.log(B - s)), (B,), mirrored(shifts)),
        ),
        "bessel": (*_bessel(), *_spherical()),
    }


def _bessel() -> list[Basis]:
    """Return the bases of Bessel functions of whole orders, the radial parts of waves and decays in a disk."""
    kinds: tuple[tuple[tuple[Any, ...], Starts, int], ...] = (
        ((sp.besselj,), frequencies, 5),
        ((sp.besselj, sp.bessely), frequencies, 3),
        ((sp.besseli,), positive_rates, 3),
        ((sp.besseli, sp.besselk), positive_rates, 2),
    )
    return [
        Basis("bessel", tuple(f(n, B * VARIABLE) for f in functions), (B,), starts)
        for functions, starts, orders in kinds
        for n in range(orders)
    ]


def _spherical() -> list[Basis]:
    """Return the spherical Bessel functions of order 0."""
    s = VARIABLE
    return [
        Basis("bessel", (sp.sin(B * s) / s,), (B,), frequencies),
        Basis("bessel", (sp.sin(B * s) / s, sp.cos(B * s) / s), (B,), frequencies),
        Basis("bessel", (sp.sinh(B * s) / s,), (B,), positive_rates),
        Basis("bessel", (sp.exp(B * s) / s, sp.exp(-B * s) / s), (B,), positive_rates),
    ]


_LIBRARY = _shipped()


def names() -> tuple[str, ...]:
    """Return the names that `symbolic.functions` accepts."""
    return ("polynomial", *_LIBRARY, *registered())


def library(chosen: Sequence[str] | None = None) -> list[Basis]:
    """Return the bases of the functions with these names, or all if None.

    Raise ConfigurationError if a name is unknown.
    """
    for name in chosen or ():
        if name not in names():
            raise ConfigurationError(f"unknown function {name!r} in symbolic.functions; {nearest(name, names())}")
    return [basis for name in (names() if chosen is None else chosen) for basis in _bases(name)]


def _bases(name: str) -> Sequence[Basis]:
    if name == "polynomial":
        return polynomials()
    return _LIBRARY[name] if name in _LIBRARY else (composed(name, registered()[name].sympy),)
