"""Taylor models of a network and of its partial derivatives on the cells of a grid.

The first layer's splines are polynomials on every cell, product nodes multiply them, and the edges of later layers are
linear up to rounding errors of their coefficients, as `marching.low_rank` makes them: φ(h) = α + β h + ρ(h), where
bounds of ρ and of its derivatives enlarge the errors. The network meant here has its stored parameters and knots as
exact numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.exact_splines import LARGEST_DEGREE, OnCells, spline_pieces
from kanpde.calculus.jets import closure, set_partitions
from kanpde.calculus.precision import UNIT, UPWARD, Numbers, floats, half_widths, sizes, unit_of, usable, working
from kanpde.calculus.taylor_models import NotEnclosed, TaylorModel
from kanpde.network.bspline import BSpline
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer
from kanpde.network.separable import Stacked, bound_sum, product_sum

NONLINEAR = 1e6  # roundings that the nonlinear part of a later edge may be; more make the network a composition
LEAST_DEGREE = 3  # of the splines
ORDER = 4  # highest order of the partials
STRAIGHT_ORDER = 2  # highest order that is bounded where an edge goes on as a line

Cells = Sequence[tuple[Array, Array]]  # by axis: the low and high ends of the cells, (cells,) each
Jet = dict[MultiIndex, TaylorModel]  # partials that are missing vanish


def smooth_cells(network: KAN, low: Array, high: Array, parts: int = 1) -> list[tuple[Array, Array]]:
    """Return for each axis the knot intervals between `low` and `high`, each divided into equal parts."""
    cells = []
    for breakpoints, a, b in zip(network.first.basis.breakpoints(), low, high, strict=True):
        ends = np.concatenate([[a], breakpoints[(breakpoints > a) & (breakpoints < b)], [b]])
        places = np.arange(parts * (len(ends) - 1) + 1) / parts
        ends = np.interp(places, np.arange(len(ends)), ends)
        cells.append((ends[:-1], ends[1:]))
    return cells


def network_jets(network: KAN, cells: Cells, partials: Sequence[MultiIndex]) -> list[Jet]:
    """Return models of partials of order at most four of a network, for every output.

    Along an axis whose cells have no width the network cannot be differentiated. Raises NotEnclosed if the network is
    no sum of products of splines, or if these are not smooth enough.
    """
    layers = [network.first, *network.hidden]
    if any(layer.fixed is not None or layer.basis.base is not None for layer in layers):
        raise NotEnclosed("the network has edges that are no splines")
    wanted = closure(partials)
    order = max(map(len, wanted))
    if order > ORDER or order >= spline_basis(network.first).degree:
        raise NotEnclosed(f"derivatives of order {order} of splines of degree {network.degree} are not enclosed")
    if len(cells) == 2 and len(layers) == 2 and not network.first.sums and not network.hidden[0].products:
        factors = list(first_subnodes(network.first, cells, wanted))
        pairs = list(zip(factors[0::2], factors[1::2], strict=True))
        if all(along_one_axis(a, 0) and along_one_axis(b, 1) for a, b in pairs):
            return separable_jets(network.hidden[0], factors[0::2], factors[1::2], wanted)
    nodes = multiplied(network.first, list(first_subnodes(network.first, cells, wanted)), wanted)
    for layer in network.hidden:
        nodes = multiplied(layer, list(linear_subnodes(layer, nodes, wanted, len(cells))), wanted)
    return nodes


def along_one_axis(jet: Jet, axis: int) -> bool:
    """Return whether all models of a jet are constant along the other axes."""
    return all(size == 1 for model in jet.values() for a, size in enumerate(model.degrees) if a != axis)


def separable_jets(layer: KANLayer, left: list[Jet], right: list[Jet], wanted: Sequence[MultiIndex]) -> list[Jet]:
    """Return the jets of the nodes of a last layer whose inputs h_k = f_k(x) g_k(y) are products of splines."""
    edges = linear_edges(
        layer, [of_product(a[()], b[()]) for a, b in zip(left, right, strict=True)], max(map(len, wanted))
    )
    stacked = {
        partial: tuple(
            Stacked.of(factors, tuple(a for a in partial if a == axis), axis)
            for axis, factors in enumerate((left, right))
        )
        for partial in wanted
    }
    result: list[Jet] = [{} for _ in range(layer.subnodes)]
    for partial, (a, b) in stacked.items():
        for o, jet in enumerate(result):
            rest = edges.rest[:, :, o]
            error = 0.0 if partial else rest[0].sum()
            for blocks in blocks_of(partial):
                inner = [[stacked[block][side].bound for block in blocks] for side in (0, 1)]
                first, second = (
                    Stacked(own.coefficients, UPWARD * np.prod(sizes, axis=0), 0 * own.error)
                    for own, sizes in zip((a, b), inner, strict=True)
                )
                error = error + bound_sum(first, second, rest[len(blocks)])
            model = product_sum(a, b, edges.beta[:, o]).widened(UPWARD * error)
            jet[partial] = model if partial else model + TaylorModel.constant_sum(edges.alpha[:, o], 2)
    return result


def blocks_of(partial: MultiIndex) -> list[list[MultiIndex]]:
    """Return the partials of h in each term of the derivative of a function of h, by Faà di Bruno's formula."""
    if not partial:
        return []
    partitions = set_partitions(tuple(range(len(partial))))
    return [[tuple(sorted(partial[p] for p in block)) for block in partition] for partition in partitions]


def first_subnodes(layer: KANLayer, cells: Cells, wanted: Sequence[MultiIndex]) -> Iterator[Jet]:
    """Yield the jets of the first layer's subnodes, sums of one spline for each coordinate."""
    edges = [pieces_on_cells(layer, axis, low, high) for axis, (low, high) in enumerate(cells)]
    coefficients = layer.coefficients.detach().double().cpu().numpy()
    for o in range(layer.subnodes):
        total: Jet = {}
        for axis, (low, high) in enumerate(cells):
            if not coefficients[axis, :, o].any():
                continue
            found, error = (each[:, :, o] for each in edges[axis])
            for partial in wanted:
                if set(partial) <= {axis}:
                    model = derivative(found, error, half_widths(low, high), len(partial), axis, len(cells))
                    total[partial] = total[partial] + model if partial in total else model
        yield total or {(): TaylorModel.constant(0.0, len(cells))}


def pieces_on_cells(layer: KANLayer, axis: int, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the coefficients (cells, k + 1, o) of the first layer's splines of one coordinate, and their errors."""
    spline = spline_on_cells(layer, axis, low, high)
    return known_pieces(*(each.tobytes() for each in (*spline, low, high)), spline_basis(layer).degree, working())


def spline_on_cells(layer: KANLayer, axis: int, low: Array, high: Array) -> OnCells:
    """Return the splines of a layer along an axis, with the knot interval of every cell."""
    basis = spline_basis(layer)
    knots = basis.knots[axis].double().cpu().numpy()
    inner = knots[basis.degree + 1 : basis.degree + basis.intervals]
    interval = np.searchsorted(inner, (low + high) / 2, side="right")
    # Knots may be repeated at the high end, where the last interval with a width is meant.
    interval = np.minimum(interval, np.searchsorted(inner, knots[basis.degree + basis.intervals], side="left"))
    coefficients = layer.coefficients.detach().double().cpu().numpy()[axis]
    if basis.periodic[axis]:
        coefficients = coefficients[np.arange(basis.functions) % basis.intervals]
    return OnCells(knots, coefficients, interval)


@functools.lru_cache(maxsize=32)
def known_pieces(
    knots: bytes, coefficients: bytes, interval: bytes, low: bytes, high: bytes, degree: int, numbers: Numbers
) -> tuple[Array, Array]:
    """Return `spline_pieces` of arrays as bytes, made of working `numbers`; faces of a box ask for them repeatedly."""
    own = np.frombuffer(knots)
    table = np.frombuffer(coefficients).reshape(own.size - degree - 1, -1)
    cells = np.frombuffer(interval, dtype=np.int64)
    return spline_pieces(own, degree, table, cells, np.frombuffer(low), np.frombuffer(high))


def spline_basis(layer: KANLayer) -> BSpline:
    """Return the splines of a layer; raise NotEnclosed if it has others, or some that are not smooth enough."""
    basis = layer.basis
    if not isinstance(basis, BSpline):
        raise NotEnclosed(f"edges of the family {type(basis).__name__} are not enclosed")
    if not LEAST_DEGREE <= basis.degree <= LARGEST_DEGREE:
        raise NotEnclosed(
            f"splines of degree {basis.degree} are not enclosed; choose {LEAST_DEGREE} to {LARGEST_DEGREE}"
        )
    return basis


def derivative(coefficients: Array, error: Array, half: Array, order: int, axis: int, dimension: int) -> TaylorModel:
    """Return the model of a derivative of polynomials (cells, k + 1) in s along an axis, x = centre + half · s."""
    widths = floats(half)[0][:, None] / UPWARD
    for _ in range(order):
        powers = np.arange(1, coefficients.shape[1])
        coefficients, error = coefficients[:, 1:] * powers / half[:, None], error[:, 1:] * powers / widths
    # The half width, the product and the quotient are rounded.
    error = UPWARD * (error.sum(axis=1) + 8 * order * unit_of(coefficients) * sizes(coefficients).sum(axis=1))
    cells = tuple(len(half) if a == axis else 1 for a in range(dimension))
    degrees = tuple(coefficients.shape[1] if a == axis else 1 for a in range(dimension))
    return TaylorModel(coefficients.reshape(cells + degrees), error.reshape(cells))


@dataclass(frozen=True)
class LinearEdges:
    """α + β h + ρ(h) for all edges (i, o) of a layer; `rest` (5, i, o) bounds |ρ|, |ρ'|, … and |ρ|."""

    alpha: Array
    beta: Array
    rest: Array


def of_model(model: TaylorModel) -> tuple[float, float]:
    """Return bounds of a model on all cells."""
    low, high = model.interval
    return float(low.min()), float(high.max())


def of_product(left: TaylorModel, right: TaylorModel) -> tuple[float, float]:
    """Return bounds of a product on all cells."""
    ends = [a * b for a in left.interval for b in right.interval]
    low, high = min(float(end.min()) for end in ends), max(float(end.max()) for end in ends)
    return low - 2 * UNIT * abs(low), high + 2 * UNIT * abs(high)


def linear_edges(layer: KANLayer, ranges: Sequence[tuple[float, float]], order: int = 0) -> LinearEdges:
    """Return a layer's edges for inputs in `ranges` (i), where derivatives up to `order` are wanted.

    Beyond its grid an edge is a line, whose distance from α + β h is bounded like that of a tangent of ρ. Raises
    NotEnclosed if an edge is not linear, or if its third derivative would not be bounded because it ends at the grid.
    """
    basis = spline_basis(layer)
    if basis.intervals != 1:
        raise NotEnclosed("the network is a composition of splines, which is not enclosed")
    coefficients = layer.coefficients.detach().double().cpu().numpy()
    limit = NONLINEAR * float(torch.finfo(layer.coefficients.dtype).eps)
    alpha, beta, rest, largest = [], [], [], []
    for i, (low, high) in enumerate(ranges):
        first, last = (float(end[i]) for end in basis.range())
        middle, half = (first + last) / 2, (last - first) / 2
        # In s = (h − middle) / half, the local coordinate of the one interval.
        reach = inner = UPWARD * max(abs(low - middle), abs(high - middle)) / half
        if basis.straight and reach > 1:
            inner = 1.0
            if order > STRAIGHT_ORDER:
                raise NotEnclosed(f"a derivative of order {order} of edges that leave their grid is not enclosed")
        knots = basis.knots[i].double().cpu().numpy()
        found, error = only_piece(knots.tobytes(), basis.degree, coefficients[i].tobytes(), first, last, working())
        error = error.copy()
        powers = np.arange(len(found), dtype=np.float64)
        error[2:] += sizes(found[2:])
        bounds = [
            (error[m:] * falling(powers[m:], m)[:, None] * inner ** (powers[m:] - m)[:, None]).sum(axis=0) / half**m
            for m in range(ORDER + 1)
        ]
        bounds[0] = bounds[0] + bounds[1] * half * (UPWARD * reach - inner)
        size = sizes(found[0]) + sizes(found[1]) * (abs(middle) / half + reach)
        bounds[0] = bounds[0] + 8 * unit_of(found) * size
        bounds[1] = bounds[1] + 8 * unit_of(found) * sizes(found[1]) / half
        ends = working().exact(np.array([first, last]))
        alpha.append(found[0] - found[1] * (ends[1] + ends[0]) / (ends[1] - ends[0]))
        beta.append(found[1] * 2 / (ends[1] - ends[0]))
        rest.append(UPWARD * np.stack(bounds))
        largest.append(size)
    # Rounding errors of small terms are those of the sum.
    if (np.stack(rest)[:, 0] > limit * np.max(largest, axis=0)).any():
        raise NotEnclosed("the network is a composition of splines, which is not enclosed")
    return LinearEdges(usable(np.stack(alpha)), usable(np.stack(beta)), np.stack(rest, axis=1))


@functools.lru_cache(maxsize=2048)
def only_piece(
    knots: bytes, degree: int, coefficients: bytes, first: float, last: float, numbers: Numbers
) -> tuple[Array, Array]:
    """Return the powers of s (k + 1, c) of splines with one interval, and bounds of their errors."""
    table = np.frombuffer(coefficients).reshape(degree + 1, -1)
    ends = np.array([first]), np.array([last])
    found, error = spline_pieces(np.frombuffer(knots), degree, table, np.array([0]), *ends)
    return found[0], error[0] * table.any(axis=0)  # a spline without coefficients is zero


def falling(powers: Array, order: int) -> Array:
    """Return p (p − 1) … (p − order + 1)."""
    return np.asarray(np.prod([powers - m for m in range(order)], axis=0)) if order else np.ones(len(powers))


def linear_subnodes(
    layer: KANLayer, nodes: Sequence[Jet], wanted: Sequence[MultiIndex], dimension: int
) -> Iterator[Jet]:
    """Yield the jets of a later layer's subnodes."""
    edges = linear_edges(layer, [of_model(node[()]) for node in nodes], max(map(len, wanted)))
    for o in range(layer.subnodes):
        total: Jet = {(): TaylorModel.constant(0.0, dimension)}
        for i, node in enumerate(nodes):
            if edges.alpha[i, o] == edges.beta[i, o] == 0:
                continue
            for partial in wanted:
                found = through(node, partial, edges, i, o)
                if found is not None:
                    total[partial] = total[partial] + found if partial in total else found
        yield total


def through(node: Jet, partial: MultiIndex, edges: LinearEdges, i: int, o: int) -> TaylorModel | None:
    """Return a partial of α + β h + ρ(h) by the chain rule, None if it vanishes."""
    beta, rest = edges.beta[i, o], edges.rest[:, i, o]
    if not partial:
        inner = node[()]
        number = functools.partial(TaylorModel.constant, dimension=inner.dimension)
        return (inner * number(beta) + number(edges.alpha[i, o])).widened(rest[0])
    terms = [blocks for blocks in blocks_of(partial) if all(block in node for block in blocks)]
    if not terms:
        return None
    inner = node.get(partial) or TaylorModel.constant(0.0, next(iter(node.values())).dimension)
    scaled = inner * TaylorModel.constant(beta, inner.dimension)
    error = np.asarray(sum(rest[len(each)] * math.prod(node[block].bound for block in each) for each in terms))
    error = UPWARD * (error + np.zeros(scaled.error.shape))
    return TaylorModel(scaled.coefficients + np.zeros(error.shape + scaled.degrees), scaled.error).widened(error)


def multiplied(layer: KANLayer, subnodes: list[Jet], wanted: Sequence[MultiIndex]) -> list[Jet]:
    """Return the jets of a layer's nodes: the sums, and the products of two subnodes each."""
    factors = subnodes[layer.sums :]
    products = [product(a, b, wanted) for a, b in zip(factors[0::2], factors[1::2], strict=True)]
    return subnodes[: layer.sums] + products


def product(left: Jet, right: Jet, wanted: Sequence[MultiIndex]) -> Jet:
    """Return the jet of a product by Leibniz' rule."""
    result: Jet = {}
    for partial in wanted:
        for size in range(len(partial) + 1):
            for chosen in combinations(range(len(partial)), size):
                a = left.get(tuple(partial[p] for p in chosen))
                b = right.get(tuple(axis for p, axis in enumerate(partial) if p not in chosen))
                if a is not None and b is not None:
                    result[partial] = result[partial] + a * b if partial in result else a * b
    return result


def summed(left: Jet, right: Jet) -> Jet:
    """Return the jet of a sum."""
    both = [partial for partial in left if partial in right]
    return {**left, **right, **{partial: left[partial] + right[partial] for partial in both}}


def scaled(jet: Mapping[MultiIndex, TaylorModel], factor: Mapping[MultiIndex, TaylorModel]) -> Jet:
    """Return the jet of factor · u."""
    return product(dict(jet), dict(factor), tuple(jet))
