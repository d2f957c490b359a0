"""Finer knots where the residual sits, without changing the function: coefficients move by exact knot insertion."""

from __future__ import annotations

import heapq

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array
from kanpde.calculus import splines
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer


def refine(network: KAN, points: Tensor, residual: Tensor, *, first_only: bool = True) -> None:
    """Insert as many knots as there are intervals, each where the squared residual, seen along that input, is largest.

    `points` (n, d) with `residual` (n,) there. The network stays the same function.
    """
    with torch.no_grad():
        inputs = network.node_values(points)
    for layer, values in zip(chosen(network, first_only), inputs, strict=False):
        insert(layer, values.cpu().double().numpy(), residual.square().cpu().double().numpy())


def growth(network: KAN, *, first_only: bool) -> int:
    """How many parameters `refine` would add."""
    layers = chosen(network, first_only)
    return sum(layer.basis.intervals * layer.basis.inputs * layer.subnodes for layer in layers)


def chosen(network: KAN, first_only: bool) -> list[KANLayer]:
    """The layers that get finer knots."""
    return [network.first] if first_only else [network.first, *network.hidden]


def insert(layer: KANLayer, values: Array, mass: Array) -> None:
    """Double a layer's intervals, halving again and again the one with most of the `mass` (n,) at `values` (n, i)."""
    basis, degree = layer.basis, layer.basis.degree
    old = basis.knots.cpu().double().numpy()
    count = 2 * basis.intervals
    breakpoints = [old[i, degree : degree + basis.intervals + 1] for i in range(basis.inputs)]
    finer = [halved(b, shares(b, values[:, i], mass), count) for i, b in enumerate(breakpoints)]
    new = np.concatenate(
        [
            (splines.periodic_knots if basis.periodic[i] else splines.knots_through)(b, degree)
            for i, b in enumerate(finer)
        ]
    )
    matrices = [transfer(old[i], new[i], degree, basis.periodic[i]) for i in range(basis.inputs)]
    transferred = torch.einsum("ihg,igo->iho", torch.as_tensor(np.stack(matrices)), splines_of(layer).cpu().double())
    rest = layer.coefficients.detach()[:, basis.splines :]
    basis.set_knots(new)
    layer.coefficients = torch.nn.Parameter(torch.cat([transferred.to(rest), rest], dim=1))


def splines_of(layer: KANLayer) -> Tensor:
    """The spline coefficients (i, n + k, o), a periodic input's free ones repeated at its end."""
    basis = layer.basis
    coefficients = layer.coefficients.detach()[:, : basis.splines].clone()
    for i, periodic in enumerate(basis.periodic):
        if periodic:
            coefficients[i] = coefficients[i, torch.arange(basis.splines) % basis.intervals]
    return coefficients


def transfer(old: Array, new: Array, degree: int, periodic: bool) -> Array:
    """The refinement matrix; for a periodic input only the free coefficients, the rest zero."""
    matrix = splines.refinement_matrix(old, new, degree)
    if periodic:
        matrix[len(new) - 2 * degree - 1 :] = 0.0
    return matrix


def shares(breakpoints: Array, values: Array, mass: Array) -> Array:
    """The mass in every interval, with a tenth of it spread evenly, so that no part of the grid is forgotten."""
    found, _ = np.histogram(values, bins=breakpoints, weights=mass)
    total = found.sum() or 1.0
    return np.asarray(0.9 * found / total + 0.1 * np.diff(breakpoints) / (breakpoints[-1] - breakpoints[0]))


def halved(breakpoints: Array, mass: Array, count: int) -> Array:
    """Breakpoints of `count` intervals: the heaviest is halved, its mass falling eightfold, until there are enough."""
    heap = [(-m, a, b) for m, a, b in zip(mass, breakpoints[:-1], breakpoints[1:], strict=True)]
    heapq.heapify(heap)
    points = list(breakpoints)
    while len(points) < count + 1:
        weight, a, b = heapq.heappop(heap)
        middle = (a + b) / 2
        points.append(middle)
        for left, right in ((a, middle), (middle, b)):
            heapq.heappush(heap, (weight / 16, left, right))
    return np.sort(np.asarray(points))
