"""A bound of the rounding errors with which a network is evaluated, by the standard model of floating-point arithmetic.

A sum of n products has an error of at most γ_n Σ |a b| with γ_n = n u / (1 − n u), in any order (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, section 3.1). The exact network has the stored parameters and knots.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.exact_splines import BITS, Whole, basis_pieces
from kanpde.calculus.precision import UPWARD
from kanpde.calculus.taylor_models import NotEnclosed
from kanpde.network.bspline import BSpline
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer

POSITION = 6  # roundings of a local coordinate
OPERATIONS = 16  # roundings of a product beyond those that grow with the degree


@dataclass(frozen=True)
class Rounded:
    """Bounds of the absolute values of nodes, (nodes,), and of the errors with which they are computed."""

    size: Array
    error: Array


def rounding_error(network: KAN, low: Array, high: Array) -> float:
    """Return a bound of the error with which a network with one output is evaluated on a box.

    Raises NotEnclosed if an edge is no spline.
    """
    reach = np.maximum(np.abs(low), np.abs(high))
    nodes = Rounded(reach, np.zeros_like(reach))
    unit = float(torch.finfo(network.first.coefficients.dtype).eps) / 2
    for number, layer in enumerate((network.first, *network.hidden)):
        nodes = _nodes(layer, _subnodes(layer, nodes, unit, inside=number == 0), unit)
    return float(nodes.error.max())


class Displacement:
    """How much a network's outputs change on a box with the splines of its first layer."""

    def __init__(self, network: KAN, low: Array, high: Array) -> None:
        self.network = network
        reach = np.maximum(np.abs(low), np.abs(high))
        self.sizes = _subnodes(network.first, Rounded(reach, np.zeros_like(reach)), 0.0, inside=True).size

    def bound(self, change: Array) -> float:
        """Return a bound of the change of the outputs if the first subnodes change by `change` (o,)."""
        nodes = _nodes(self.network.first, Rounded(self.sizes, UPWARD * change), 0.0)
        for layer in self.network.hidden:
            # Both functions have values up to the size and the change.
            inputs = Rounded(UPWARD * (nodes.size + nodes.error), UPWARD * nodes.error)
            nodes = _nodes(layer, _subnodes(layer, inputs, 0.0, inside=False), 0.0)
        return UPWARD * float(nodes.error.max())


def _subnodes(layer: KANLayer, inputs: Rounded, unit: float, *, inside: bool) -> Rounded:
    """Return the bounds of a layer's subnodes from those of its inputs, which may be known to lie inside its grid."""
    found = [_edges(layer, i, inputs, unit, inside) for i in range(layer.basis.inputs)]
    size, error = (np.sum([each[part] for each in found], axis=0) for part in (0, 1))
    return Rounded(size, error + len(found) * unit * (size + error))


def _nodes(layer: KANLayer, subnodes: Rounded, unit: float) -> Rounded:
    """Return the bounds of a layer's nodes from those of its subnodes."""
    size, error = subnodes.size, subnodes.error
    a, b, da, db = (each[layer.sums + s :: 2] for each in (size, error) for s in (0, 1))
    products = a * db + b * da + da * db
    products = products + 2 * unit * (a * b + products)
    return Rounded(np.append(size[: layer.sums], a * b), np.append(error[: layer.sums], products))


def _edges(layer: KANLayer, i: int, inputs: Rounded, unit: float, inside: bool) -> tuple[Array, Array]:
    """Return the bounds (o,) of the edges of input i and of their errors."""
    basis = layer.basis
    if not isinstance(basis, BSpline) or layer.fixed is not None or (basis.uniform and basis.intervals > 1):
        raise NotEnclosed("the rounding errors of these edges are not bounded")
    k, n = basis.degree, basis.intervals
    knots = basis.knots[i].double().cpu().numpy()
    left, right = knots[k : k + n], knots[k + 1 : k + n + 1]
    # Powers of ξ = s / 2 ∈ [−½, ½], the coordinate in which the network is evaluated.
    exact = known_basis(knots.tobytes(), k) if n == 1 else basis_pieces(knots, k, np.arange(n), left, right)
    exact = np.asarray(exact / (1 << BITS), dtype=np.float64)
    exact = exact * 2.0 ** np.arange(k + 1)[:, None]
    stored = basis.pieces.double().cpu().numpy()
    stored = stored if basis.uniform else stored[i]
    # The nodes of later layers may lie beyond their grid.
    outermost = np.full(n, 0.5) if inside else (inputs.size[i] + np.abs(left + right) / 2) / (right - left)
    powers = powers_at(np.maximum(outermost, 0.5) * (1 + 1e-6), k, basis.straight)
    coefficients = layer.coefficients.detach().double().cpu().numpy()[i]
    columns = (np.arange(n)[:, None] + np.arange(k + 1)) % (n if basis.periodic[i] else n + k)
    used = coefficients[columns]
    operations = (4 * k + OPERATIONS) * unit
    basis_error = np.einsum("np,npj->nj", powers, np.abs(stored - exact) + operations * np.abs(stored))
    error = np.einsum("nj,njo->no", basis_error, np.abs(used)).max(axis=0)
    pieces = np.abs(np.einsum("npj,njo->npo", exact, used)) + 1e-14 * np.einsum("npj,njo->npo", abs(exact), abs(used))
    slope = np.einsum("np,npo->no", powers[:, :-1], pieces[:, 1:] * np.arange(1, k + 1)[:, None])
    position = POSITION * unit * np.maximum(1.0, 2 * outermost) + inputs.error[i] / (right - left)
    error = error + (slope * position[:, None]).max(axis=0)
    return np.einsum("np,npo->no", powers, pieces).max(axis=0), 1.001 * error


@functools.lru_cache(maxsize=4096)
def known_basis(knots: bytes, degree: int) -> Whole:
    """Return `basis_pieces` of knots with one interval, as the later layers of a separated network have."""
    own = np.frombuffer(knots)
    return basis_pieces(own, degree, np.array([0]), own[degree : degree + 1], own[degree + 1 : degree + 2])


def powers_at(outermost: Array, degree: int, straight: bool) -> Array:
    """Return bounds (n, k + 1) of the powers of ξ; beyond ½ a straight edge has their tangents there."""
    powers = np.arange(degree + 1)
    if not straight:
        return np.asarray(outermost[:, None] ** powers)
    ends = np.minimum(outermost, 0.5 * (1 + 1e-6))[:, None]
    return np.asarray(ends**powers + (outermost[:, None] - ends) * powers * ends ** np.maximum(powers - 1, 0))
