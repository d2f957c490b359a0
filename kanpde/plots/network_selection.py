"""Choose the nodes of a wide network that are drawn: the most important ones, and words for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array

MOST_NODES = 8  # of a hidden layer, all of which are drawn
KEPT = 6  # nodes that are drawn of a layer with more
Numbers = npt.NDArray[np.signedinteger[Any]]  # of nodes
Layers = Sequence[Mapping[str, Any]]


def most_important(layers: Layers) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the layers of `edge_curves()` with the most important nodes only, and a line on each layer that lost some.

    The importance of a node is the sum of those of the edges that lead away from it: by how much it moves what follows.
    """
    found, lines = [dict(layer) for layer in layers], []
    for number in range(len(found) - 1):
        below, above = found[number], found[number + 1]
        weights = np.nan_to_num(np.asarray(above["importance"], dtype=np.float64)).sum(axis=1)
        sums, products = int(below["sums"]), int(below["products"])
        if len(weights) <= MOST_NODES or len(weights) != sums + products:
            continue
        kept = np.sort(np.argsort(-weights, kind="stable")[:KEPT])
        lines.append(_line(weights, kept, sums))
        found[number], found[number + 1] = _with_outputs(below, kept, sums), _with_inputs(above, kept)
    return found, lines


def _line(weights: Array, kept: Numbers, sums: int) -> str:
    """Return how many nodes are left out, and the share of what all together add."""
    lost = np.setdiff1d(np.arange(len(weights)), kept)
    share = weights[lost].sum() / max(weights.sum(), 1e-300)
    few = int((lost < sums).sum())
    counts = ((few, "sum"), (len(lost) - few, "product"))
    kinds = [f"{count} more {kind} node{'s' * (count > 1)}" for count, kind in counts if count]
    return f"{' and '.join(kinds)} are not drawn; they add {percent(share)} of what all nodes add"


def percent(share: float) -> str:
    """Return a share with two digits: 12 %, 0.34 %, 2e-05 %."""
    return f"{100 * share:.2g} %".replace("e-0", "e-")


def _with_outputs(layer: Mapping[str, Any], kept: Numbers, sums: int) -> dict[str, Any]:
    """Return a layer with these of its nodes; a product has two subnodes."""
    products = kept[kept >= sums] - sums
    columns = [*kept[kept < sums], *(sums + 2 * p + side for p in products for side in (0, 1))]
    return {
        **layer,
        "values": np.asarray(layer["values"])[:, columns],
        "importance": np.asarray(layer["importance"])[:, columns],
        "sums": int((kept < sums).sum()),
        "products": len(products),
        "atoms": _renumbered(layer, columns, 1),
    }


def _with_inputs(layer: Mapping[str, Any], kept: Numbers) -> dict[str, Any]:
    """Return a layer with these of its inputs."""
    chosen = {name: np.asarray(layer[name])[kept] for name in ("inputs", "values", "importance")}
    return {**layer, **chosen, "atoms": _renumbered(layer, kept, 0)}


def _renumbered(layer: Mapping[str, Any], kept: Sequence[int] | Numbers, side: int) -> dict[tuple[int, int], Any]:
    """Return the atoms of the edges whose input (side 0) or output (side 1) is kept, by their new numbers."""
    places = {int(old): new for new, old in enumerate(kept)}
    result = {}
    for edge, atom in layer.get("atoms", {}).items():
        if edge[side] in places:
            i, o = edge
            result[(places[i], o) if side == 0 else (i, places[o])] = atom
    return result
