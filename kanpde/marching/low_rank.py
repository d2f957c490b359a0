"""Low-rank compression: convert a solution in a tensor product to a network with few product nodes.

In two dimensions the singular value decomposition u = Σ_k σ_k X_k(x) T_k(t) gives the network with the fewest product
nodes. In three, the network is the Tucker form u = Σ_c T_c(t) Σ_ij g_ijc X_i(x) Y_j(y) by the higher-order singular
value decomposition (De Lathauwer, De Moor and Vandewalle, SIAM J. Matrix Anal. Appl. 21 (2000) 1253).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from kanpde.calculus import splines
from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import PROCESSOR
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain
from kanpde.marching.axes import MANY_FUNCTIONS, SplineAxis, sparse_designs
from kanpde.marching.continuation import Beside, Inside, continued
from kanpde.marching.projection import fitted_along, leading_singular_vectors, orthonormalised
from kanpde.marching.slabs import Pass
from kanpde.marching.truncation import MIN_SINGULAR_VALUE, field_sizes, tolerance_inside
from kanpde.network.bspline import BSpline
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer
from kanpde.problem.evolving_part import EvolvingPart

MIN_INTERVALS = 12  # smallest number of intervals of an edge
INTERVALS_PER_SLAB = 6  # number of intervals of an edge in time for each slab
DENSITY_FACTOR = 1.15  # ratio of the density of an edge's knots to the largest density in any slab
TRUNCATION = 0.2  # relative singular values below this share of the relative residual are dropped
TRUNCATION_PLANE = 0.002  # the same in the plane, where products are few and the error often is far below the residual
SMALL_ENOUGH = 2e-12  # relative truncation in the plane that need not become smaller for that reason
TRUNCATION_INSIDE = 0.01  # the same on a shape
FINE = 1e-6  # relative truncation on a shape that costs few products, however large the residual of coarse knots is
MANY = 1000  # functions of one coordinate from which they are fitted by sparse matrices
MARGIN = 0.1  # margin of a node's grid beyond the node's values, as a share of their range


def compress(
    domain: Domain, found: Pass, degree: int, inside: Inside | None = None, device: torch.device = PROCESSOR
) -> KAN:
    """Return the network of degree `degree` that represents a pass, without the lift and factor of hard conditions.

    If only a part of the domain counts, it is that around the points `inside`. Large matrices are factored on the
    device.
    """
    return compress_with_functions(domain, found, degree, inside, device)[0]


def compress_with_functions(
    domain: Domain, found: Pass, degree: int, inside: Inside | None = None, device: torch.device = PROCESSOR
) -> tuple[KAN, EvolvingPart | None]:
    """Return the same network, and the singular functions of an evolution beside it, if there are any."""
    if inside is None and as_box(domain) is None:
        inside = Inside.of(domain)
    axes = edge_axes(domain, found, degree, nested=inside is not None)
    if len(axes) == len(found.slabs) == 1 and axes[0].size > MANY:
        return line(axes, fitted_along(axes[0], found.slabs[0])), None
    values, solve, maps = orthonormalised(found, axes, domain.time if len(found.slabs) > 1 else None, device)
    beside = None if inside is None else Beside.of(found, domain.time, maps, inside, axes, solve)
    share = TRUNCATION if inside is None else TRUNCATION_INSIDE
    tolerance = max(MIN_SINGULAR_VALUE, share * found.residual)
    if inside is None and len(axes) == 2:
        tolerance = min(tolerance, max(TRUNCATION_PLANE * found.residual, SMALL_ENOUGH))
    if inside is not None:
        most, tolerance = tolerance, min(tolerance, FINE)
        sizes = field_sizes(found, inside.points, axes, solve, values, beside)
        values, beside = values / sizes, None if beside is None else beside.divided(sizes)
        if len(axes) > 2:  # in the plane the march's own values have few products, and derivatives with more digits
            values, solve, beside = continued(inside, axes, solve, values, tolerance, most, beside)
        tolerance = tolerance_inside(inside.points, axes, solve, values, tolerance)
    if len(axes) == 2:
        result = compress_plane(axes, solve, values, tolerance, device)
    else:
        build = {1: compress_line, 3: compress_volume, 4: compress_space_time}[len(axes)]
        result = build(axes, solve, values, tolerance)
    if inside is not None:
        with torch.no_grad():
            result.hidden[-1].coefficients.mul_(torch.as_tensor(sizes))
    if beside is None:
        return result, None
    assert domain.time is not None
    in_time = axes[domain.time]
    amounts = np.tensordot(beside.functions_in_time, beside.divided(1 / sizes).amounts, (1, 1))
    return result, EvolvingPart.of_splines(found.slabs[0].functions, in_time.breakpoints, degree, amounts)


def apply_along_axes(coefficients: Array, maps: Sequence[Array]) -> Array:
    """Return a tensor (*shape, f) with one matrix applied along each axis but the last."""
    for a, each in enumerate(maps):
        coefficients = np.moveaxis(np.tensordot(each, coefficients, (1, a)), 0, a)
    return coefficients


def edge_axes(domain: Domain, found: Pass, degree: int, *, nested: bool) -> list[SplineAxis]:
    """Return one axis for each coordinate, nowhere coarser than any slab's; all have the same number of intervals.

    If they are `nested`, the axes in space contain the slab's, because a projection would carry errors from outside a
    shape into it.
    """
    count, densities = MIN_INTERVALS, []
    for a in range(domain.dimension):
        grids = [slab.axes[a].breakpoints for slab in found.slabs]
        slabbed = len(found.slabs) > 1 and a == domain.time
        densities.append(density_in_slabs(grids) if slabbed else largest_density(grids))
        count = max(count, int(np.ceil(DENSITY_FACTOR * densities[-1][1] @ np.diff(densities[-1][0]))))
    if nested:
        finest = max(found.slabs[0].axes[a].intervals for a in domain.space)
        count = finest * math.ceil(count / finest)
    axes: list[SplineAxis] = []
    for a, (edges, density) in enumerate(densities):
        if nested and a in domain.space:
            density = np.full(len(edges) - 1, 1.0) / np.diff(edges)
        cumulative = np.concatenate([[0.0], np.cumsum(density * np.diff(edges))])
        breakpoints = np.interp(np.linspace(0, cumulative[-1], count + 1), cumulative, edges)
        breakpoints[[0, -1]] = domain.low[a], domain.high[a]
        periodic = getattr(found.slabs[0].axes[a], "periodic", False)
        # Coordinates with the same splines share them, with what is computed of them.
        same = (axis for axis in axes if axis.periodic == periodic and np.array_equal(axis.breakpoints, breakpoints))
        axes.append(next(same, None) or SplineAxis(breakpoints, degree, periodic))
    return axes


def density_in_slabs(grids: Sequence[Array]) -> tuple[Array, Array]:
    """Return the slabs' ends (n + 1,) and the number of intervals per length in each slab, (n,)."""
    edges = np.concatenate([grids[0][:1], *(grid[-1:] for grid in grids)])
    return edges, np.asarray(INTERVALS_PER_SLAB / np.diff(edges))


def largest_density(grids: Sequence[Array]) -> tuple[Array, Array]:
    """Return all grids' breakpoints (n + 1,) and between them the largest number of intervals per length, (n,)."""
    edges = np.unique(np.concatenate(list(grids)))
    middles = (edges[:-1] + edges[1:]) / 2
    density = np.zeros(len(middles))
    for grid in grids:
        inside = (middles > grid[0]) & (middles < grid[-1])
        which = np.searchsorted(grid, middles[inside]) - 1
        density[inside] = np.maximum(density[inside], 1 / np.diff(grid)[which])
    return edges, density


def compress_line(axes: Sequence[SplineAxis], solve: Sequence[Array], values: Array, tolerance: float) -> KAN:
    """Return the network of a solution of one coordinate, with one edge for each field."""
    return line(axes, solve[0] @ values)


def line(axes: Sequence[SplineAxis], coefficients: Array) -> KAN:
    """Return the same from the edges' coefficients (size, fields)."""
    fields = coefficients.shape[1]
    first = edge_layer(axes, [(0, f, column) for f, column in enumerate(coefficients.T)], fields, 0)
    return network(axes, [first, linear_layer(node_values([first], axes), np.eye(fields), fields, 0, axes[0].degree)])


def compress_plane(
    axes: Sequence[SplineAxis], solve: Sequence[Array], values: Array, tolerance: float, device: torch.device
) -> KAN:
    """Return the network of a solution of two coordinates, with one product node for each field's singular values."""
    columns: list[list[Array]] = [[], []]
    sizes = []
    for f in range(values.shape[2]):
        left, singular, right = leading_singular_vectors(values[:, :, f], tolerance, device)
        count = max(1, int((singular > tolerance * singular[0]).sum()))
        columns[0].append(solve[0] @ left[:, :count])
        columns[1].append(solve[1] @ right[:count].T)
        sizes += [(f, float(each)) for each in singular[:count]]
    factors, lowest, highest, scale = [], [], [], np.ones(len(sizes))
    for axis, each in zip(axes, columns, strict=True):
        together = np.concatenate(each, axis=1)
        few, points = axis.size <= MANY_FUNCTIONS, axis.points
        along = (axis.design(points) if few else sparse_designs(axis, points, 1)[0]) @ together
        largest = along[np.abs(along).argmax(axis=0), np.arange(len(sizes))]  # becomes 1
        factors.append(together / largest)
        lowest.append((along / largest).min(axis=0))
        highest.append((along / largest).max(axis=0))
        scale *= largest
    matrix = np.zeros((len(sizes), values.shape[2]))
    given = []
    for k, (f, size) in enumerate(sizes):
        matrix[k, f] = size * scale[k]
        given += [(a, 2 * k + a, factors[a][:, k]) for a in range(2)]
    first = edge_layer(axes, given, 0, len(sizes))
    # A product of functions of different coordinates is extreme where both of them are.
    nodes = np.stack([one * other for one in (lowest[0], highest[0]) for other in (lowest[1], highest[1])])
    return network(axes, [first, linear_layer(nodes, matrix, values.shape[2], 0, axes[0].degree)])


def compress_volume(axes: Sequence[SplineAxis], solve: Sequence[Array], values: Array, tolerance: float) -> KAN:
    """Return the network of the Tucker form of a solution of three coordinates.

    The first layer multiplies functions of two axes; the second multiplies sums of these products by the functions of
    the third axis, that of the smallest rank.
    """
    bases = [leading_functions(values, a, tolerance) for a in range(3)]
    core = apply_along_axes(values, [basis.T for basis in bases])
    last = int(np.argmin(core.shape[:3]))
    a, b = (axis for axis in range(3) if axis != last)
    terms = products_of_slices(np.moveaxis(core, last, 2), tolerance)
    (one, sizes), (other, more), (third, depths) = (
        scaled_functions(axes[axis], solve[axis] @ bases[axis] @ mixed)
        for axis, mixed in ((a, terms.left), (b, terms.right), (last, np.eye(core.shape[last])))
    )
    weights = terms.weights * (sizes * more)[:, None, None] * depths[:, None]
    count, depth, fields = weights.shape
    given = [(last, k, third[k]) for k in range(depth)]
    for q in range(count):
        given += [(a, depth + 2 * q, one[q]), (b, depth + 2 * q + 1, other[q])]
    first = edge_layer(axes, given, depth, count)
    # The factors of product node (k, f) of the second layer are Σ_q w_qkf X_q Y_q and T_k.
    matrix = np.zeros((depth + count, 2 * depth * fields))
    matrix[depth:, 0::2] = weights.reshape(count, -1)
    matrix[:depth, 1::2] = np.repeat(np.eye(depth), fields, axis=1)
    second = linear_layer(node_values([first], axes), matrix, 0, depth * fields, axes[0].degree)
    gather = np.tile(np.eye(fields), (depth, 1))
    return network(
        axes, [first, second, linear_layer(node_values([first, second], axes), gather, fields, 0, axes[0].degree)]
    )


def leading_functions(values: Array, axis: int, tolerance: float) -> Array:
    """Return the leading singular vectors (r, k) of a tensor (*shape, f) along an axis."""
    unfolded = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    left, singular, _ = np.linalg.svd(unfolded, full_matrices=False)
    return np.asarray(left[:, : max(1, int((singular > tolerance * singular[0]).sum()))])


def scaled_functions(axis: SplineAxis, functions: Array) -> tuple[Array, Array]:
    """Return functions (size, k) of an axis, each divided by its largest value there, (k, size), and these values."""
    sizes = np.abs(axis.design(axis.points) @ functions).max(axis=0)
    sizes[sizes == 0] = 1.0
    return (functions / sizes).T, sizes


@dataclass(frozen=True)
class Products:
    """Sums Σ_q w_qkf l_q r_qᵀ: `left` (rows, q), `right` (columns, q) and `weights` (q, k, f)."""

    left: Array
    right: Array
    weights: Array


def products_of_slices(core: Array, tolerance: float) -> Products:
    """Return all slices (rows, columns) of a tensor (rows, columns, k, f) as sums of the fewest products.

    These are the singular vectors of every slice, or all pairs of functions if these are fewer. What is left out has
    the size `tolerance` relative to the tensor.
    """
    rows, columns, depth, fields = core.shape
    left, right, places, sizes = [], [], [], []
    limit = tolerance * np.linalg.norm(core) / math.sqrt(depth * fields)
    for k, f in np.ndindex(depth, fields):
        one, singular, other = np.linalg.svd(core[:, :, k, f], full_matrices=False)
        count = int((singular > limit).sum())
        left.append(one[:, :count])
        right.append(other[:count].T)
        places += [k * fields + f] * count
        sizes += singular[:count].tolist()
    if not 0 < len(sizes) < rows * columns:
        pairs = np.indices((rows, columns)).reshape(2, -1)
        return Products(np.eye(rows)[:, pairs[0]], np.eye(columns)[:, pairs[1]], core.reshape(-1, depth, fields))
    weights = np.zeros((len(sizes), depth * fields))
    weights[np.arange(len(sizes)), places] = sizes
    return Products(np.concatenate(left, axis=1), np.concatenate(right, axis=1), weights.reshape(-1, depth, fields))


def compress_space_time(axes: Sequence[SplineAxis], solve: Sequence[Array], values: Array, tolerance: float) -> KAN:
    """Return the network of a solution u(x, y, z, t) = Σ_q A_q(x, y) B_q(z, t) of four coordinates.

    The first layer multiplies the functions of two axes each; the second multiplies the sums A_q and B_q of these
    products, the singular vectors of the core of the Tucker form (Hackbusch and Kühn, J. Fourier Anal. Appl. 15 (2009)
    706).
    """
    bases = [leading_functions(values, a, tolerance) for a in range(4)]
    core = apply_along_axes(values, [basis.T for basis in bases])
    given: list[tuple[int, int, Array]] = []
    scales, node = [], 0
    for pair in ((0, 1), (2, 3)):
        functions, sizes = [], []
        for axis in pair:
            columns = (solve[axis] @ bases[axis]).T
            along = axes[axis].design(axes[axis].points)
            sizes.append(np.array([float(np.abs(along @ f).max()) or 1.0 for f in columns]))
            functions.append(columns / sizes[-1][:, None])
        for one, other in product(*functions):
            given += [(pair[0], node, one), (pair[1], node + 1, other)]
            node += 2
        scales.append(np.outer(*sizes).ravel())
    count = len(scales[0])
    columns, fields = [], values.shape[4]
    for f in range(fields):
        matrix = core[..., f].reshape(count, -1)
        left, singular, right = np.linalg.svd(matrix, full_matrices=False)
        kept = max(1, int((singular > tolerance * singular[0]).sum()))
        columns += [(f, left[:, q] * singular[q] * scales[0], right[q] * scales[1]) for q in range(kept)]
    first = edge_layer(axes, given, 0, node // 2)
    matrix = np.zeros((node // 2, 2 * len(columns)))
    gather = np.zeros((len(columns), fields))
    for q, (f, one, other) in enumerate(columns):
        matrix[:count, 2 * q], matrix[count:, 2 * q + 1] = one, other
        gather[q, f] = 1.0
    degree = axes[0].degree
    second = linear_layer(node_values([first], axes), matrix, 0, len(columns), degree)
    last = linear_layer(node_values([first, second], axes), gather, fields, 0, degree)
    return network(axes, [first, second, last])


def edge_layer(
    axes: Sequence[SplineAxis], given: Sequence[tuple[int, int, Array]], sums: int, products: int
) -> KANLayer:
    """Return a first layer with the given edges, (axis, subnode, coefficients) each; the other edges are zero."""
    knots = np.concatenate([splines.knots_on(a.breakpoints, a.degree, periodic=a.periodic) for a in axes])
    periodic = tuple(axis.periodic for axis in axes)
    known = np.stack([axis.pieces for axis in axes])
    layer = KANLayer(BSpline(knots, axes[0].degree, None, periodic, known), sums, products)
    with torch.no_grad():
        for axis, subnode, column in given:
            layer.coefficients[axis, : len(column), subnode] = torch.as_tensor(column)
    return layer


def linear_layer(nodes: Array, matrix: Array, sums: int, products: int, degree: int) -> KANLayer:
    """Return a layer of linear edges, subnode o = Σ_i matrix[i, o] h_i, on nodes h with the values `nodes` (n, i)."""
    low, high = nodes.min(axis=0), nodes.max(axis=0)
    margin = MARGIN * (high - low) + 1e-6
    knots = splines.uniform_knots(low - margin, high + margin, 1, degree)
    layer = KANLayer(BSpline(knots, degree), sums, products)
    # Marsden's identity: x = Σ_j (t_{j+1} + … + t_{j+k})/k B_j(x).
    averages = np.stack([knots[:, j + 1 : j + 1 + degree].mean(axis=1) for j in range(degree + 1)], axis=1)
    with torch.no_grad():
        layer.coefficients.copy_(torch.as_tensor(averages[:, :, None] * matrix[:, None, :]))
    return layer


def node_values(layers: Sequence[KANLayer], axes: Sequence[SplineAxis]) -> Array:
    """Return the nodes' values (n, i) after these layers at random points of the domain."""
    low, high = (np.array([axis.breakpoints[end] for axis in axes]) for end in (0, -1))
    unit = np.random.default_rng(0).random((4096, len(axes)))
    x = torch.as_tensor(low + (high - low) * unit)
    with torch.no_grad():
        for layer in layers:
            x = layer(x)
    return x.numpy()


def network(axes: Sequence[SplineAxis], layers: Sequence[KANLayer]) -> KAN:
    """Return the network that consists of these layers."""
    width = [(layer.sums, layer.products) for layer in layers[:-1]]
    result = KAN(width, axes[0].degree, [layer.basis.intervals for layer in layers])
    result.layers.extend(layers)
    return result
