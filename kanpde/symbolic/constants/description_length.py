"""The description length of a formula of samples with noise.

    L = (N/2) log r² + k log n + Σ log* |m| + Σ_i log(|c_i| / (√12 s_i))

for N samples with the relative residual r: the bits (to the base e) of the misfit, of an expression of k nodes of n
kinds, of the whole numbers m in it, and of each constant c_i down to its standard deviation s_i if the constants before
it are known. So two constants of which only the sum is certain cost one certain constant, and not none. What noise does
not support costs more than it explains: Bartlett, Desmond and Ferreira, "Exhaustive symbolic regression", IEEE Trans.
Evol. Comput. 28 (2024) 950; the determinant of all constants together is that of Wallace and Freeman, J. R. Stat. Soc.
B 49 (1987) 240; log* is the universal code of Rissanen, Annals of Statistics 11 (1983) 416.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.linalg import qr

from kanpde.calculus.arrays import Array
from kanpde.symbolic.constants.uncertainty import deviations_of

# Residual below which the misfit is round-off.
ROUND_OFF = 1e-10
# The sum of the probabilities that the universal code gives to all whole numbers, by which it is divided.
UNIVERSAL = 2.865

Expressions = tuple[sp.Expr, ...]


@dataclass(frozen=True)
class Candidate:
    """Expressions with fitted constants, and their relative residual.

    `precision` (P, P) is the root R of the information on the constants: a change δ of them adds ‖R δ‖² to the misfit,
    in variances of the noise. None if there is no noise.
    """

    expressions: Expressions
    constants: Mapping[sp.Symbol, float]
    residual: float
    precision: Array | None = None

    @property
    def values(self) -> Array:
        """The constants (P,)."""
        return np.array([*self.constants.values()])

    @property
    def root(self) -> Array:
        """The precision; constants are known to round-off if there is no noise."""
        if self.precision is not None:
            return self.precision
        return np.diag(1 / np.maximum(ROUND_OFF * np.abs(self.values), 1e-300))

    @property
    def deviations(self) -> Array:
        """The standard deviation (P,) of each constant if the others are unknown."""
        return deviations_of(self.root)


def description_length(found: Candidate, count: int) -> float:
    """Return L of expressions that were fitted to `count` samples; infinite if they are not finite."""
    if not math.isfinite(found.residual):
        return math.inf
    misfit = count * math.log(max(found.residual, ROUND_OFF))
    return misfit + sum(map(length_of, found.expressions)) + length_of_constants(found.values, found.root)


def length_of(expression: sp.Expr) -> float:
    """Return the length of an expression without its constants: nodes of several kinds, and whole numbers."""
    kinds: list[str] = []
    numbers = 0.0
    for node in sp.preorder_traversal(expression):
        if isinstance(node, sp.Rational):
            numbers += length_of_whole(abs(node.p)) + length_of_whole(node.q)
            kinds.append("number")
        elif node.args:
            kinds += [type(node).__name__] * max(1, len(node.args) - 1)
        else:
            kinds.append("constant" if str(node).startswith("constant_") else str(node))
    return len(kinds) * math.log(max(2, len(set(kinds)))) + numbers


def length_of_whole(number: int) -> float:
    """Return the length of a whole number in Rissanen's universal code, log n + log log n + …; zero of 0 and 1."""
    length, rest = math.log(UNIVERSAL) if number > 1 else 0.0, math.log(max(number, 1))
    while rest > 0:
        length, rest = length + rest, math.log(rest)
    return length


def length_of_constants(values: Array, root: Array) -> float:
    """Return the length of constants (P,), each down to its deviation if those before it are known.

    The least certain constant is the first. The diagonal of the triangle of the root's columns has the inverses of
    these deviations, from the last column to the first, because pivots take the most certain column first.
    """
    if not len(values):
        return 0.0
    (triangle, _) = qr(root * np.abs(values), mode="r", pivoting=True, check_finite=False)
    steps = np.abs(np.diagonal(triangle)) / math.sqrt(12)
    return float(np.log(np.clip(steps, 1.0, 1 / ROUND_OFF)).sum())
