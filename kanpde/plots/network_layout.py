"""Where the network's drawing puts its nodes and its edges' squares, in inches.

Layers go upwards. Between two rows of nodes stands the band of the layer's edges: one square to an edge,
grouped by the node that the edge feeds, so that only the wires from below cross. A product node is fed by two
small sums, each with a group of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanpde.arrays import Array

SQUARE = 0.46  # side of an edge's square
CLEARANCE = 1.15  # from one square to the next in a row, in sides
FILLED = 0.9  # of the width, by the groups of a layer
WIDEST = 32.0  # of all drawings; beyond it the squares of a layer stand in more than two rows
ONE_ROW = 24  # edges; more of them in a layer stand in two staggered rows
ROWS = 6  # at most; then the squares shrink


@dataclass(frozen=True)
class Band:
    """One layer: squares (in, out, 2) by centre, the fan-in points (out, 2), the nodes (sums + products, 2) above."""

    sources: Array
    squares: Array
    bottom: float
    targets: Array
    nodes: Array
    sums: int


@dataclass(frozen=True)
class Layout:
    """The whole drawing: its size, the side of a square, the bands from the inputs up."""

    width: float
    height: float
    side: float
    bands: tuple[Band, ...]


def arrange(layers: Sequence[Mapping[str, Any]]) -> Layout:
    """Place every layer of `edge_curves()` above the one before, all of them across the same width."""
    shapes = [np.shape(layer["importance"]) for layer in layers]
    edges = [inputs * outputs for inputs, outputs in shapes]
    natural = max(n * (1.35 if n <= ONE_ROW else 0.68) for n in edges) * SQUARE
    width = float(np.clip(natural, 4.2, WIDEST))
    side = min(SQUARE, ROWS * FILLED * width / max(edges) / CLEARANCE)
    nodes = _row(shapes[0][0], width, 0.0)
    bands = []
    for layer, shape in zip(layers, shapes, strict=True):
        band = _band(nodes, shape, int(layer["sums"]), width, side)
        bands.append(band)
        nodes = band.nodes
    return Layout(width, float(nodes[0, 1]), side, tuple(bands))


def _row(count: int, width: float, y: float) -> Array:
    x = (np.arange(count) + 0.5) / count * width
    return np.stack([x, np.full(count, y)], axis=1)


def _band(sources: Array, shape: tuple[int, ...], sums: int, width: float, side: float) -> Band:
    inputs, outputs = shape
    # A single group spreads over the whole width, each square above its source; several leave room between them.
    pitch = width / inputs if outputs == 1 else min(FILLED * width / outputs / inputs, 2.4 * side)
    rows = min(ROWS, math.ceil(CLEARANCE * side / pitch - 1e-9))
    slots = np.arange(inputs * outputs).reshape(outputs, inputs).T  # neighbours within a group are neighbours in number
    offsets = (np.arange(inputs) - (inputs - 1) / 2) * pitch
    bottom = float(sources[0, 1]) + 0.6 + 0.07 * width
    squares = np.empty((inputs, outputs, 2))
    squares[..., 0] = _row(outputs, width, 0.0)[None, :, 0] + offsets[:, None]
    squares[..., 1] = bottom + side / 2 + (slots % rows) * 1.2 * side
    top = bottom + side * (1 + 1.2 * (rows - 1)) + 0.5 + 0.03 * width
    products = (outputs - sums) // 2
    targets = _row(outputs, width, top)
    nodes = np.concatenate([targets[:sums], targets[sums:].reshape(products, 2, 2).mean(axis=1)])
    if products:
        nodes[:, 1] += 0.5  # room for the small sums below the products
        targets[:sums, 1] += 0.5
    return Band(sources, squares, bottom, targets, nodes, sums)
