"""The nodes of a wide network that its picture shows."""

from __future__ import annotations

import numpy as np

from kanpde import KAN
from kanpde.plots.network_selection import KEPT, MOST_NODES, most_important


def layers_of(sums, products, weights):
    """The curves of a network with so many nodes, whose edges to the only output have these weights."""
    layers = KAN(width=[[sums, products]], degree=3, intervals=3).build([0, 0], [1, 1], 1, seed=0).edge_curves()
    layers[1]["importance"] = np.array(weights, dtype=float)[:, None]
    return layers


def test_a_narrow_network_is_drawn_as_it_is():
    layers = layers_of(0, MOST_NODES, np.ones(MOST_NODES))
    found, lines = most_important(layers)
    assert not lines and all(np.array_equal(a["values"], b["values"]) for a, b in zip(found, layers, strict=True))


def test_the_most_important_nodes_stay_in_their_order_and_the_line_says_the_rest():
    weights = np.full(3 + 9, 0.05)
    important = [1, 4, 5, 8, 10, 11]  # one sum, five products
    weights[important] = 1.0
    layers = layers_of(3, 9, weights)
    layers[0]["atoms"] = {(0, 1): "a sum's", (1, 0): "gone", (1, 3 + 2 * 5 + 1): "of node 8"}
    layers[1]["atoms"] = {(8, 0): "from node 8", (2, 0): "gone"}
    (first, second), (line,) = most_important(layers)
    assert (first["sums"], first["products"]) == (1, KEPT - 1)
    columns = [1, *(3 + 2 * (k - 3) + side for k in important[1:] for side in (0, 1))]
    assert np.array_equal(first["values"], layers[0]["values"][:, columns])
    assert np.array_equal(second["inputs"], layers[1]["inputs"][important]) and second["values"].shape[0] == KEPT
    assert first["atoms"] == {(0, 0): "a sum's", (1, 1 + 2 * 2 + 1): "of node 8"} and second["atoms"] == {
        (3, 0): "from node 8"
    }
    assert line == "2 more sum nodes and 4 more product nodes are not drawn; they add 4.8 % of what all nodes add"


def test_one_node_is_not_many():
    weights = [*np.ones(KEPT), 0.0, 0.0, 1e-7]
    (line,) = most_important(layers_of(8, 1, weights))[1]
    assert line.startswith("2 more sum nodes and 1 more product node are not drawn") and "1.7e-6 %" in line
