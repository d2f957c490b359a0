"""Place the nodes and the edges' squares of a network's drawing, in inches.

Layers go upwards. The band of a layer lies between two rows of nodes: one square for each edge, grouped by the node
that the edge leads to, so that only the wires from below cross. A product node multiplies two small sums, and each sum
has a group of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array

SQUARE = 0.46  # side of an edge's square
CLEARANCE = 1.15  # distance between the centres of neighbouring squares in a row, in sides
FILLED = 0.9  # fraction of the drawing's width that the groups of a layer take
MAX_WIDTH = 32.0  # of a drawing; wider layers get more than two rows of squares
MAX_EDGES_IN_ONE_ROW = 24  # layers with more edges get two staggered rows of squares
MAX_ROWS = 6  # of squares in a band; layers that need more rows get smaller squares


@dataclass(frozen=True)
class Band:
    """One layer: the centres of the squares (in, out, 2), the sums (out, 2) and the nodes (sums + products, 2)."""

    sources: Array
    squares: Array
    bottom: float
    targets: Array
    nodes: Array
    sums: int


@dataclass(frozen=True)
class Layout:
    """The whole drawing: its size, the side of a square, and the bands from bottom to top."""

    width: float
    height: float
    side: float
    bands: tuple[Band, ...]


def arrange(layers: Sequence[Mapping[str, Any]]) -> Layout:
    """Place every layer of `edge_curves()` above the previous one; all layers have the same width."""
    shapes = [np.shape(layer["importance"]) for layer in layers]
    edges = [inputs * outputs for inputs, outputs in shapes]
    natural = max(n * (1.35 if n <= MAX_EDGES_IN_ONE_ROW else 0.68) for n in edges) * SQUARE
    width = float(np.clip(natural, 4.2, MAX_WIDTH))
    side = min(SQUARE, MAX_ROWS * FILLED * width / max(edges) / CLEARANCE)
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
    # A single group takes the whole width, with each square above its source; several groups leave gaps.
    pitch = width / inputs if outputs == 1 else min(FILLED * width / outputs / inputs, 2.4 * side)
    rows = min(MAX_ROWS, math.ceil(CLEARANCE * side / pitch - 1e-9))
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
