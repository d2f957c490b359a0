"""Widths from narrow to wide: a fit begins with few nodes, and takes more while the error falls."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer

Width = tuple[tuple[int, int], ...]
NODES = (1, 2, 3, 5, 8, 12, 20, 32, 64)  # nodes of each kind in a layer, from rung to rung
STARTS = 3  # random starts of the narrowest composition, which needs the right one most
# Rungs for a network whose width is not given: a sum of functions of one coordinate, then compositions with products.
OPEN: tuple[Width, ...] = ((), ((1, 0),), ((1, 1),), ((2, 2),), ((4, 4),))
OPEN_LINE: tuple[Width, ...] = ((), ((2, 0),), ((4, 0),))  # for one coordinate


def rungs(width: Width | None, dimension: int) -> list[Width]:
    """Return the widths to try in turn, the last one `width` itself, or those of an open width.

    A width that occurs several times is tried from several random starts.
    """
    if width is None:
        return list(OPEN if dimension > 1 else OPEN_LINE)
    found: list[Width] = []
    for nodes in NODES:
        rung = tuple(narrow(layer, nodes) for layer in width)
        if rung != width and rung not in found:
            found.append(rung)
    found.append(width)
    return [found[0]] * (STARTS if found[0] else 1) + found[1:]


def narrow(layer: tuple[int, int], nodes: int) -> tuple[int, int]:
    """Return a layer with at most this number of nodes of each kind."""
    return min(layer[0], nodes), min(layer[1], nodes)


def widened(network: KAN, width: Sequence[tuple[int, int]]) -> KAN:
    """Return the same function as a network of a larger width, whose additional edges are zero."""
    layers = [network.first, *network.hidden]
    inputs = list(range(network.first.basis.inputs))  # the number of the old input for each new one, or None
    numbers: list[int | None] = [*inputs]
    wide = torch.nn.ModuleList()
    for layer, (sums, products) in zip(layers, [*width, (layers[-1].sums, 0)], strict=True):
        larger = KANLayer(layer.basis.subset([0 if i is None else i for i in numbers]), sums, products)
        larger.to(layer.coefficients)
        rows = [place for place, old in enumerate(numbers) if old is not None]
        columns = [*range(layer.sums), *range(sums, sums + 2 * layer.products)]
        with torch.no_grad():
            larger.coefficients[torch.tensor(rows)[:, None], :, torch.tensor(columns)] = layer.coefficients.permute(
                0, 2, 1
            )
        wide.append(larger)
        spare = [None] * (sums - layer.sums)
        numbers = [*range(layer.sums), *spare, *range(layer.sums, layer.outputs), *[None] * (products - layer.products)]
    result = KAN(list(width), network.degree, [layer.basis.intervals for layer in layers], network.base, network.family)
    result.layers = wide
    return result
