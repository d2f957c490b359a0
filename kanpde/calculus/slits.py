"""Holomorphic functions outside a slit of a mapped plane, and their partials in closed form.

A linear map takes the plane to that of ζ = ζ₁ x + ζ₂ y, in which the principal part of an equation with constant
coefficients is Laplace's. There w = (ζ + √(ζ² - f²)) / 2 maps what is outside of the slit from -f to f to what is
outside of a disk (Joukowski), and |w| is constant on every ellipse with the foci ±f. So powers of w are about an
ellipse what powers of z are about a circle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Powers = Mapping[tuple[int, int], complex]  # Σ c √(ζ² - f²)^{-m} ζ^k by (m, k)
LEAST = 1e-30  # distance from the slit's ends at which derivatives stay finite


class Outside:
    """Points x and y (n,) from the slit's middle, with what their functions share: ζ, w, √(ζ² - f²) and powers of them.

    The `axes` are ζ₁ and ζ₂: ∂_x = ζ₁ ∂_ζ + ζ̄₁ ∂_ζ̄.
    """

    def __init__(self, x: Tensor, y: Tensor, axes: tuple[complex, complex], focus: float) -> None:
        self.axes = axes
        zeta = x * axes[0] + y * axes[1]
        root = torch.sqrt(zeta - focus) * torch.sqrt(zeta + focus)  # it jumps on the slit only
        root = torch.where(root.abs() < LEAST, root + LEAST, root)
        self._bases = {
            "zeta": zeta,
            "bar": zeta.conj(),
            "away": 1 / root,
            "w": (zeta + root) / 2,
            "v": 2 / (zeta + root),
        }
        self._known: dict[tuple[object, ...], Tensor] = {}

    def _power(self, name: str, power: int) -> Tensor:
        """Return a whole power (n,) of ζ, ζ̄, 1 / √(ζ² - f²), w or 1 / w by products, which are far faster."""
        if power == 0:
            return torch.ones_like(self._bases[name])
        if (name, power) not in self._known:
            half = self._power(name, power // 2)
            self._known[name, power] = half * half * self._bases[name] if power % 2 else half * half
        return self._known[name, power]

    def partial(self, power: int, conjugate: int, ups: int, order: int, *, log: bool) -> Tensor:
        """Return a partial (n,) of w^power ζ̄^conjugate, or of ζ^power ζ̄^conjugate log w, `ups` times along y."""
        key = (power, conjugate, ups, order, log)
        if key not in self._known:
            total = torch.zeros_like(self._bases["w"])
            for bars, share in enumerate(_shares([self.axes[0]] * (order - ups) + [self.axes[1]] * ups)):
                if bars <= conjugate:
                    inner = self._derivative(power, order - bars, log=log) * self._power("bar", conjugate - bars)
                    total = total + share * math.perm(conjugate, bars) * inner
            self._known[key] = total
        return self._known[key]

    def _derivative(self, power: int, order: int, *, log: bool) -> Tensor:
        """Return the derivative (n,) of w^power, or of ζ^power log w if `log`, by ζ."""
        key = ("derivative", power, order, log)
        if key not in self._known:
            plain, logarithmic = _derivative_terms(power, order, log=log)
            factor = torch.log(self._bases["w"]) if log else self._power("w" if power > 0 else "v", abs(power))
            one, other = (logarithmic, plain) if log else (plain, {})
            self._known[key] = factor * self._sum(one) + self._sum(other)
        return self._known[key]

    def _sum(self, terms: Powers) -> Tensor:
        total = torch.zeros_like(self._bases["w"])
        for (m, k), c in terms.items():
            total = total + c * (self._power("away", m) * self._power("zeta", k))
        return total


def _derivative_terms(power: int, order: int, *, log: bool) -> tuple[Powers, Powers]:
    """Return the terms of a derivative of w^power, or those of ζ^power log w without and with log w."""
    plain: Powers = {} if log else {(0, 0): 1.0}
    logarithmic: Powers = {(0, power): 1.0} if log else {}
    for _ in range(order):
        of_log = {(m + 1, k): c for (m, k), c in logarithmic.items()}
        plain = _summed(_differentiated(plain, 0.0 if log else power), of_log)
        logarithmic = _differentiated(logarithmic, 0.0)
    return plain, logarithmic


def _differentiated(terms: Powers, power: float) -> Powers:
    """Return the terms of the derivative of w^power Σ c √(ζ² - f²)^{-m} ζ^k, because w' = w / √(ζ² - f²)."""
    found: Powers = {}
    for (m, k), c in terms.items():
        found = _summed(found, {(m + 1, k): power * c, (m + 2, k + 1): -m * c, (m, k - 1): k * c})
    return found


def _summed(one: Powers, other: Powers) -> Powers:
    """Return the sum of two sums without its zeros."""
    every = {key: one.get(key, 0.0) + other.get(key, 0.0) for key in (*one, *other)}
    return {key: c for key, c in every.items() if c}


def _shares(axes: list[complex]) -> list[complex]:
    """Return the coefficients of Π (a + ā t) by the power of t."""
    found: list[complex] = [1.0]
    for a in axes:
        found = [a * c + complex(a).conjugate() * d for c, d in zip([*found, 0.0], [0.0, *found], strict=True)]
    return found
