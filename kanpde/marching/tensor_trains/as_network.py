"""A train as a network: its cores are multiplied in pairs, layer by layer, until one product is left.

A segment of a train is a matrix whose entries are sums of nodes. The product of two neighbours S and T has the entries
Σ_c S_ac T_cb, so a layer has one product node for every (a, c, b), and the edges of the next layer add up those of one
entry. The first layer multiplies the splines of neighbouring coordinates; a segment without a partner is handed on by
sum nodes. A train that is a sum of functions of one coordinate each becomes a network without hidden layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.marching.axes import SplineAxis, gauss_weights
from kanpde.marching.low_rank import edge_layer, linear_layer, network, node_values
from kanpde.marching.tensor_trains.algebra import Train, values
from kanpde.marching.tensor_trains.knots import equally_fine, transferred
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer

POINTS = 2048  # random points at which a train is compared with a sum

Entry = list[int]  # the nodes whose sum is an entry of a segment
Segment = list[list[Entry]]  # a matrix of entries


def network_of(trains: Sequence[Train], axes: Sequence[SplineAxis], tolerance: float) -> KAN:
    """Return the network of one train for every field.

    It is a plain sum if the trains are sums up to a relative error of `tolerance`.
    """
    finest = equally_fine(axes)
    trains = [transferred(train, axes, finest) for train in trains]
    sums = [as_sum(train, finest, tolerance) for train in trains]
    if all(each is not None for each in sums):
        given = [(a, f, column) for f, each in enumerate(sums) for a, column in enumerate(each or ())]
        return network(finest, [edge_layer(finest, given, len(trains), 0)])
    return tree(trains, finest)


def as_sum(train: Train, axes: Sequence[SplineAxis], tolerance: float) -> list[Array] | None:
    """Return the coefficients of the f_a with u = Σ_a f_a(x_a), if the train is such a sum; else None.

    They are the train's means over all other coordinates, without the mean of all in all but the first.
    """
    means = [np.tensordot(mean_of(axis), core, (0, 0)) for axis, core in zip(axes, train, strict=True)]
    left = [np.eye(1)]
    for matrix in means:
        left.append(left[-1] @ matrix)
    right, whole, found = np.eye(1), float(left[-1][0, 0]), list[Array]()
    for a in reversed(range(len(axes))):
        column = np.einsum("xy,gyz,zw->g", left[a], train[a], right)
        found.insert(0, column - (whole if a else 0.0))  # the splines add up to one
        right = means[a] @ right
    low, high = (np.array([axis.breakpoints[end] for axis in axes]) for end in (0, -1))
    points = low + (high - low) * np.random.default_rng(0).random((POINTS, len(axes)))
    own = values(train, axes, points)
    total = sum(axis.design(points[:, a]) @ column for a, (axis, column) in enumerate(zip(axes, found, strict=True)))
    size = float(np.linalg.norm(own)) or 1.0
    return found if float(np.linalg.norm(own - total)) <= tolerance * size else None


def mean_of(axis: SplineAxis) -> Array:
    """Return the means of the axis's functions, (size,)."""
    return np.asarray(gauss_weights(axis) @ axis.design(axis.points))


def tree(trains: Sequence[Train], axes: Sequence[SplineAxis]) -> KAN:
    """Return the network that multiplies neighbours, one field's train beside the other."""
    first, segments = first_layer(trains, axes)
    layers = [first]
    degree = axes[0].degree
    while any(len(each) > 1 for each in segments):
        nodes = node_values(layers, axes)
        sums, pairs, segments = multiplied(segments)
        matrix = np.zeros((nodes.shape[1], len(sums) + 2 * len(pairs)))
        for number, entry in enumerate([*sums, *(factor for pair in pairs for factor in pair)]):
            matrix[entry, number] = 1.0
        layers.append(linear_layer(nodes, matrix, len(sums), len(pairs), degree))
    nodes = node_values(layers, axes)
    matrix = np.zeros((nodes.shape[1], len(trains)))
    for field, (segment,) in enumerate(segments):
        matrix[segment[0][0], field] = 1.0
    return network(axes, [*layers, linear_layer(nodes, matrix, len(trains), 0, degree)])


def first_layer(trains: Sequence[Train], axes: Sequence[SplineAxis]) -> tuple[KANLayer, list[list[Segment]]]:
    """Return the layer that multiplies the splines of neighbouring coordinates, and every train's segments after it."""
    columns: list[tuple[int, Array]] = []  # the axis and the coefficients of every spline
    segments: list[list[Segment]] = []
    for train in trains:
        segments.append([])
        for a, core in enumerate(train):
            entries = [
                [[len(columns) + i * core.shape[2] + j] for j in range(core.shape[2])] for i in range(core.shape[1])
            ]
            columns += [(a, core[:, i, j]) for i in range(core.shape[1]) for j in range(core.shape[2])]
            segments[-1].append(entries)
    sums, pairs, segments = multiplied(segments)
    given = [(columns[entry[0]][0], o, columns[entry[0]][1]) for o, entry in enumerate(sums)]
    for number, pair in enumerate(pairs):
        for side, entry in enumerate(pair):
            axis, column = columns[entry[0]]
            given.append((axis, len(sums) + 2 * number + side, column))
    return edge_layer(axes, given, len(sums), len(pairs)), segments


def multiplied(trains: Sequence[list[Segment]]) -> tuple[list[Entry], list[tuple[Entry, Entry]], list[list[Segment]]]:
    """Return a layer's sum nodes and its product nodes by the entries of their factors, and the segments after it."""
    sums = [entry for segments in trains if len(segments) % 2 for row in segments[-1] for entry in row]
    pairs: list[tuple[Entry, Entry]] = []
    result: list[list[Segment]] = []
    handed = 0
    for segments in trains:
        after: list[Segment] = []
        for left, right in zip(segments[0::2], segments[1::2], strict=False):
            product: Segment = []
            for row in left:
                product.append([])
                for b in range(len(right[0])):
                    first = len(sums) + len(pairs)
                    pairs += [(row[c], right[c][b]) for c in range(len(right))]
                    product[-1].append(list(range(first, first + len(right))))
            after.append(product)
        if len(segments) % 2:
            last = segments[-1]
            width = len(last[0])
            after.append([[[handed + i * width + j] for j in range(width)] for i in range(len(last))])
            handed += len(last) * width
        result.append(after)
    return sums, pairs, result
