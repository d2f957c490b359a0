"""The start of a network of given width from a known sum of products in two coordinates.

A network of product nodes has u_f = Σ_k m_kf X_k(x) T_k(t). Sum nodes can multiply by polarisation. Two of them make

    X T = ¼ (X + T)² − ¼ (X − T)²,

and n + 1 of them make n products, the last one for what the squares add:

    Σ_k X_k T_k = Σ_k ½ (X_k + T_k)² − Σ_k ½ (X_k² + T_k²).

So a first hidden layer that adds functions of the coordinates, followed by a layer of quadratic edges, is a short sum
of products, as far as its splines can be X_k and T_k. Later layers hand the sum on. The nodes left over get random
combinations, for a training to use.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.network import grids
from kanpde.network.bspline import BSpline
from kanpde.network.families import FAMILIES
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer

NEGLIGIBLE = 1e-12  # relative size of a term that is left out
ERROR_OF_RESIDUAL, LARGEST_ERROR = 100.0, 1e-8  # factor on the residual, and limit, of terms that may be errors
EXACT = 1e-9  # relative error of the first layer's functions at which its knots are fine enough
FINER = (1, 1.5, 2, 3, 4, 6, 8)  # multiples of the first layer's intervals that are tried if they are open
PER_INTERVAL = 6  # points of a fit for each interval of the known functions
SPARE = 0.5  # standard deviation of the random combinations
STATIONS = 8  # points for each function at which the edges of later layers are fitted


@dataclass(frozen=True)
class Terms:
    """Products X_k T_k at points along both axes: `places` (x and t), `factors` (points, k) each, `matrix` (k, f)."""

    places: tuple[Array, Array]
    factors: tuple[Array, Array]
    matrix: Array
    breakpoints: Array  # (2, n + 1), of the known functions

    @classmethod
    def of(cls, known: KAN, least: float = NEGLIGIBLE) -> Terms | None:
        """Return the terms of a network of product nodes, the largest first; None if it has another form.

        Terms below the share `least` of the largest one are left out.
        """
        layers = [known.first, *known.hidden]
        if known.first.basis.inputs != 2 or len(layers) != 2 or known.first.sums or known.first.fixed is not None:
            return None
        breakpoints = known.first.basis.breakpoints()
        places = tuple(refined(each, PER_INTERVAL) for each in breakpoints)
        points = torch.as_tensor(np.stack(places, axis=1)).to(known.first.coefficients)
        with torch.no_grad():
            edges = known.first.edges(known.first.features(points, 1))[0].cpu().double().numpy()  # (n, 2, subnodes)
            zero = points.new_zeros(1, known.first.products)
            ends = torch.cat([zero, torch.eye(known.first.products).to(points)])
            values = known.hidden[0](ends).cpu().double().numpy()
        matrix, (x, t) = values[1:] - values[0], (edges[:, 0, 0::2], edges[:, 1, 1::2])
        if np.abs(edges[:, 1, 0::2]).max() or np.abs(edges[:, 0, 1::2]).max() or np.abs(values[0]).max() > 1e-12:
            return None
        sizes = np.abs(matrix / np.abs(matrix).max(axis=0)).max(axis=1) * np.abs(x).max(axis=0) * np.abs(t).max(axis=0)
        order = [k for k in np.argsort(-sizes) if sizes[k] > least * sizes.max()]
        return cls((places[0], places[1]), (x[:, order], t[:, order]), matrix[order], breakpoints)

    def first(self, count: int) -> Terms:
        """Return the largest `count` terms, balanced: both factors of each, times its size, have the same maximum."""
        x, t = (each[:, :count] for each in self.factors)
        matrix = self.matrix[:count]
        sizes = np.abs(matrix).max(axis=1)
        largest = [np.abs(each).max(axis=0) for each in (x, t)]
        roots = np.sqrt(sizes * largest[0] * largest[1])
        factors = (x / largest[0] * roots, t / largest[1] * roots)
        return Terms(self.places, factors, matrix / sizes[:, None], self.breakpoints)

    @property
    def count(self) -> int:
        return len(self.matrix)


@dataclass(frozen=True)
class Plan:
    """The first layer's functions (points, subnode) along both axes, and how its nodes enter the sum.

    `squares` (nodes, f) are the weights of ½ h², and `lines` (nodes, f) those of h.
    """

    functions: tuple[Array, Array]
    squares: Array
    lines: Array


def start_from_products(network: KAN, known: KAN, limit: float, *, open_knots: bool, residual: float = 0.0) -> bool:
    """Give a built network the largest products of `known`, as many as its width can hold; return whether it can.

    Those that are as small as what a relative `residual` may stand for are left out: a node whose values hardly change
    has edges of which little is determined. If `open_knots`, the first layer gets as many intervals as its functions
    need, up to `limit` parameters in all.
    """
    terms = Terms.of(known, max(NEGLIGIBLE, min(ERROR_OF_RESIDUAL * residual, LARGEST_ERROR)))
    first = network.first
    if terms is None or not network.hidden or any(layer.fixed is not None for layer in [first, *network.hidden]):
        return False
    plan = plan_of(terms, first.sums, first.products)
    fields = terms.matrix.shape[1]
    if plan is None or any(layer.outputs < fields for layer in network.hidden[:-1]):
        return False
    with torch.no_grad():
        network.layers[0] = fitted_first(network, plan, terms, limit, open_knots)
        points = torch.as_tensor(crossed(terms.breakpoints)).to(first.coefficients)
        generator = np.random.default_rng(0)
        values, squares, lines = network.first(points), plan.squares, plan.lines
        for layer in network.hidden:
            hand_on(layer, values, squares, lines, generator if layer is not network.hidden[-1] else None)
            values = layer(values)
            lines = np.zeros((layer.outputs, fields))
            lines[:fields] = np.eye(fields)
            squares = np.zeros_like(lines)
    return True


def plan_of(terms: Terms, sums: int, products: int) -> Plan | None:
    """Return the first layer of `sums` sum nodes and `products` product nodes with the largest terms; None for none."""
    paired = terms.count <= products + sums // 2
    polarised = max(0, sums // 2 if paired else sums - 1)
    count = min(terms.count, products + polarised)
    if not count:
        return None
    terms = terms.first(count)
    fields, nodes = terms.matrix.shape[1], sums + products
    functions = tuple(np.zeros((len(x), sums + 2 * products)) for x in terms.places)
    squares, lines = np.zeros((nodes, fields)), np.zeros((nodes, fields))
    direct = min(count, products)
    for k in range(direct):
        for a in (0, 1):
            functions[a][:, sums + 2 * k + a] = terms.factors[a][:, k]
        lines[sums + k] = terms.matrix[k]
    rest = range(direct, count)
    for place, k in enumerate(rest):
        x, t = (each[:, k] for each in terms.factors)
        if paired:
            functions[0][:, 2 * place], functions[1][:, 2 * place] = x, t
            functions[0][:, 2 * place + 1], functions[1][:, 2 * place + 1] = x, -t
            squares[2 * place], squares[2 * place + 1] = terms.matrix[k] / 2, -terms.matrix[k] / 2
        else:
            functions[0][:, place], functions[1][:, place] = x, t
            squares[place] = terms.matrix[k]
    if not paired and len(rest):
        if fields > 1:
            return None  # one node can correct the squares of one field only
        for a in (0, 1):
            signs = terms.matrix[direct:, 0]
            functions[a][:, sums - 1] = -(np.square(terms.factors[a][:, direct:]) @ signs) / 2
        lines[sums - 1] = 1.0
    return Plan((functions[0], functions[1]), squares, lines)


def fitted_first(network: KAN, plan: Plan, terms: Terms, limit: float, open_knots: bool) -> KANLayer:
    """Return a first layer with the plan's functions; those of nodes that the plan leaves out stay as they are.

    It has the fewest open intervals on which they are exact within the limit. If there are none, it has so many that
    all layers can be refined once more.
    """
    old = network.first
    per_function = old.basis.inputs * old.subnodes
    size = sum(layer.coefficients.numel() for layer in network.hidden)
    refined = sum(refined_size(layer) for layer in network.hidden)
    best: tuple[float, KANLayer] | None = None
    chosen: KANLayer | None = None
    for factor in FINER if open_knots else FINER[:1]:
        intervals, degree = math.ceil(factor * old.basis.intervals), network.degree or 0
        if best is not None and size + per_function * (intervals + degree) > limit:
            break
        for graded in (False, True) if isinstance(old.basis, BSpline) and open_knots else (False,):
            found = fitted(old, network, plan, terms, intervals, graded)
            best = found if best is None or found[0] < best[0] else best
        if best is None or best[0] <= EXACT:
            break
        if chosen is None or refined + per_function * (2 * intervals + degree) <= limit:
            chosen = best[1]
    assert best is not None
    return best[1] if best[0] <= EXACT or chosen is None else chosen


def refined_size(layer: KANLayer) -> int:
    """Return the number of a layer's coefficients after a refinement."""
    return layer.coefficients.numel() + layer.basis.growth * layer.basis.inputs * layer.subnodes


def fitted(
    old: KANLayer, network: KAN, plan: Plan, terms: Terms, intervals: int, graded: bool
) -> tuple[float, KANLayer]:
    """Return a first layer with the plan's functions on this many intervals, and its largest relative error."""
    low, high = terms.breakpoints[:, 0], terms.breakpoints[:, -1]
    family = network.family if isinstance(network.family, str) else network.family[0]
    basis = FAMILIES[family].spanning(
        low, high, degree=network.degree or 1, intervals=intervals, base=network.base, periodic=old.basis.periodic
    )
    if graded:
        steps = np.linspace(0, 1, intervals + 1), np.linspace(0, 1, terms.breakpoints.shape[1])
        for i in (0, 1):
            basis.set_breakpoints(i, np.interp(*steps, terms.breakpoints[i]))
    layer = KANLayer(basis, old.sums, old.products).to(old.coefficients)
    used = [o for o in range(old.subnodes) if any(np.abs(each[:, o]).max() for each in plan.functions)]
    worst = 0.0
    for i, (x, functions) in enumerate(zip(terms.places, plan.functions, strict=True)):
        every = functions.copy()
        spare = [o for o in range(old.subnodes) if o not in used]
        every[:, spare] = SPARE * curves(old, i, x)[:, spare]
        found = layer.basis.fit(i, x, every)
        layer.coefficients.data[i, : basis.functions] = torch.as_tensor(found).to(layer.coefficients)
        errors = np.abs(curves(layer, i, x) - every)[:, used].max(axis=0)
        worst = max(worst, float((errors / max(np.abs(every[:, used]).max(), 1e-300)).max()))
    return worst, layer


def hand_on(
    layer: KANLayer, values: Tensor, squares: Array, lines: Array, generator: np.random.Generator | None
) -> None:
    """Give a later layer edges that add up the nodes' `squares` and `lines`, (nodes, f), in its first nodes.

    With a generator, the nodes after these get random combinations of the same terms.
    """
    fields = lines.shape[1]
    targets = np.zeros((layer.subnodes, layer.basis.inputs, 2))
    nodes = [o if o < layer.sums else layer.sums + 2 * (o - layer.sums) for o in range(layer.outputs)]
    for number, subnode in enumerate(nodes):
        if number < fields:
            targets[subnode, :, 0], targets[subnode, :, 1] = squares[:, number], lines[:, number]
        elif generator is not None:
            mixed = SPARE * generator.normal(size=(layer.basis.inputs, 1))
            targets[subnode] = mixed * np.stack([squares.sum(axis=1), lines.sum(axis=1)], axis=1)
    low, high = grids.spanned(values)
    for i in range(layer.basis.inputs):
        layer.basis.regrid(i, float(low[i]), float(high[i]), 0.0)
        x = np.linspace(low[i], high[i], STATIONS * layer.basis.functions)
        wanted = np.outer(x**2 / 2, targets[:, i, 0]) + np.outer(x, targets[:, i, 1])
        if i == 0:
            wanted[:, [node + 1 for node in nodes[layer.sums :]]] = 1.0  # the other factor of every product
        layer.coefficients[i] = 0.0
        found = layer.basis.fit(i, x, wanted)
        layer.coefficients[i, : layer.basis.functions] = torch.as_tensor(found).to(layer.coefficients)


def curves(layer: KANLayer, i: int, x: Array) -> Array:
    """Return the functions of the edges from input i at x (n,), (n, subnodes)."""
    places = layer.basis.centre[:, None].repeat(1, len(x))
    places[i] = torch.as_tensor(x)
    with torch.no_grad():
        return np.asarray((layer.coefficients[i].T @ layer.basis.columns(places, 1)[0][i]).T.cpu().double())


def refined(breakpoints: Array, count: int) -> Array:
    """Return `count` points in each interval, and the last end."""
    steps = np.linspace(0, 1, count, endpoint=False)
    inside = breakpoints[:-1, None] + np.diff(breakpoints)[:, None] * steps
    return np.append(inside.ravel(), breakpoints[-1])


def crossed(breakpoints: Sequence[Array] | Array) -> Array:
    """Return the crossings (n, 2) of some lines through breakpoints of both axes, the ends included."""
    few = [each[np.linspace(0, len(each) - 1, min(len(each), 48)).round().astype(int)] for each in breakpoints]
    return np.stack(np.meshgrid(*few, indexing="ij"), axis=-1).reshape(-1, 2)
