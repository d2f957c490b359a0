"""A solution on coarser cells: a network with fewer knots, from which the solution hardly differs.

A theorem may be applied to any function v near the solution u, because |u − u*| ≤ |u − v| + |v − u*|. A network has as
many knots as its training needed. Splines of a higher degree on a few of them are often as close as its values are
rounded: the splines of its first layer, one coordinate each, are fitted on coarser knots, and all other layers stay.
The change of these splines is enclosed on the network's own cells, axis by axis, and the layers carry it on. So v costs
no product of cells: a solution with millions of cells is proved on a few hundred, on which second derivatives magnify
rounding errors less, and on which a companion has few unknowns.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.exact_splines import difference_of_pieces, whole_pieces
from kanpde.calculus.precision import UPWARD, floats
from kanpde.calculus.splines import knots_on
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.network.bspline import BSpline
from kanpde.network.enclosure import Cells, pieces_on_cells, smooth_cells, spline_basis, spline_on_cells
from kanpde.network.kan import KAN
from kanpde.network.rounding import Displacement

DEGREE = 13  # of the coarser splines, or that of the network if it is higher
POLYNOMIAL = 17  # the same of polynomials, which have no knots
COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)  # of intervals along an axis that are tried


def coarser_networks(network: KAN, low: Array, high: Array, limit: float) -> Iterator[tuple[KAN, float]]:
    """Yield networks with fewer knots and bounds of their distances on a box, which are below a limit.

    The first one has none. The last one has twice as many intervals as the one before, because derivatives need more
    knots than values.
    """
    basis, cells = network.first.basis, smooth_cells(network, low, high)
    if not isinstance(basis, BSpline) or any(layer.fixed is not None for layer in (network.first, *network.hidden)):
        return
    displacement = Displacement(network, low, high)
    for counts, degree in _candidates(displacement, cells, limit / (2 * len(cells))):
        if math.prod(counts) * (degree + 1) ** len(cells) >= _size(cells, network):
            continue
        found = _with_intervals(network, cells, counts, degree)
        bound = displacement.bound(_enclosed(network, found, cells))
        if bound < limit:
            yield found, bound


def _size(cells: Cells, network: KAN) -> float:
    return float(np.prod([len(low) * ((network.degree or 0) + 1) for low, _ in cells]))


def _candidates(displacement: Displacement, cells: Cells, limit: float) -> Iterator[tuple[list[int], int]]:
    """Yield numbers of intervals along all axes, and a degree, that change the outputs little as far as points show."""
    network, basis = displacement.network, spline_basis(displacement.network.first)
    places = [_values(network, axis, cells) for axis in range(len(cells))]

    def resolves(axis: int, count: int, degree: int) -> bool:
        x, values = places[axis]
        own = _basis(network, [count] * len(cells), degree)
        with np.errstate(all="ignore"):
            fitted = own.fit(axis, x, values)
        spline = own.evaluate(torch.as_tensor(x).expand(len(cells), -1).contiguous(), 1)[0, axis].numpy()
        return displacement.bound(np.abs(spline.T @ fitted - values).max(axis=0)) < limit

    degree = max(POLYNOMIAL, basis.degree)
    if all(resolves(axis, 1, degree) for axis in range(len(cells))):
        yield [1] * len(cells), degree
    degree = max(DEGREE, basis.degree)
    counts = [
        next((count for count in COUNTS if resolves(axis, count, degree)), basis.intervals)
        for axis in range(len(cells))
    ]
    for factor in (1, 2):
        yield [min(factor * count, basis.intervals) for count in counts], degree


def _basis(network: KAN, counts: Sequence[int], degree: int) -> BSpline:
    """Return splines on some of the network's knots, so many intervals along every axis.

    All axes have as many knots: those that an axis does not need lie at its high end.
    """
    old, most = spline_basis(network.first), max(counts)
    knots = []
    for count, breakpoints, periodic in zip(counts, old.breakpoints(), old.periodic, strict=True):
        chosen = np.linspace(0, old.intervals, (most if periodic else count) + 1).round().astype(int)
        own = knots_on(breakpoints[chosen], degree, periodic=periodic)[0]
        knots.append(np.pad(own, (0, most + 2 * degree + 1 - own.size), mode="edge"))
    with np.errstate(all="ignore"):  # intervals without width have no pieces, and no points
        return BSpline(np.stack(knots), degree, None, old.periodic)


def _with_intervals(network: KAN, cells: Cells, counts: Sequence[int], degree: int) -> KAN:
    """Return the network with splines of its first layer that are fitted on fewer intervals."""
    result, basis = copy.deepcopy(network), _basis(network, counts, degree)
    with np.errstate(all="ignore"):
        fitted = [basis.fit(axis, *_values(network, axis, cells)) for axis in range(len(cells))]
    result.first.basis, result.degree = basis, basis.degree
    result.first.coefficients = torch.nn.Parameter(torch.as_tensor(np.stack(fitted)))
    return result


def _values(network: KAN, axis: int, cells: Cells) -> tuple[Array, Array]:
    """Return points (n,) along an axis and the values (n, o) there of the first layer's splines."""
    pieces, _ = pieces_on_cells(network.first, axis, *cells[axis])
    low, high = cells[axis]
    nodes = -np.cos(np.pi * (np.arange(pieces.shape[1]) + 0.5) / pieces.shape[1])
    powers = nodes[:, None] ** np.arange(pieces.shape[1])
    x = ((low + high) / 2)[:, None] + ((high - low) / 2)[:, None] * nodes
    return x.ravel(), np.asarray((powers @ floats(pieces)[0]).reshape(x.size, -1))


def _enclosed(network: KAN, other: KAN, cells: Cells) -> Array:
    """Return bounds (o,) of the change of the first subnodes on all cells."""
    total = np.zeros(network.first.subnodes)
    for axis, (low, high) in enumerate(cells):
        both = [(layer, spline_on_cells(layer, axis, low, high)) for layer in (network.first, other.first)]
        pieces = [whole_pieces(spline, spline_basis(layer).degree, low, high) for layer, spline in both]
        found = difference_of_pieces(pieces[0], pieces[1], [spline.coefficients for _, spline in both])
        gap, error = (each.transpose(0, 2, 1) for each in found)
        by_cell = TaylorModel(gap.reshape(-1, gap.shape[-1]), error.sum(axis=-1).ravel())
        total += by_cell.close_bound.reshape(gap.shape[:2]).max(axis=0)
    return UPWARD * total
