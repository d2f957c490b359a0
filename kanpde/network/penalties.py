"""Penalties that make a network sparse and its edges smooth, as rows of a least-squares problem.

With s_e the spread of edge e, the standard deviation of its values at points, and p_e = s_e / Σ s, each layer has

    l1 (Σ_e s_e / √(Σ_e s_e²) − 1) + entropy (−Σ_e p_e log p_e) + smoothness Σ_e κ_e² / Σ_e s_e²

with κ_e = h² rms φ_e'' over the points and h half the width of the edge's grid. No term changes if a layer is
multiplied by a constant; the first two vanish if all edges but one are zero (Hoyer, JMLR 5 (2004) 1457, for the first;
Liu et al., arXiv 2404.19756, §2.5.1, for the second).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.collocation.sampling import unit_points
from kanpde.errors import ConfigurationError, number
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer

TINY = 1e-24  # added under roots, so that they have derivatives at zero
POINTS = 512  # points at which edges are evaluated


@dataclass(frozen=True)
class Regularisation:
    """The weights of the penalties; raises ConfigurationError if one is negative."""

    l1: float = 1.0
    entropy: float = 1.0
    smoothness: float = 0.0

    def __post_init__(self) -> None:
        for name in ("l1", "entropy", "smoothness"):
            value = getattr(self, name)
            if not (number(value) and value >= 0):
                raise ConfigurationError(f"expected {name} to be a number of at least 0, got {value!r}")


def penalty(
    network: KAN, l1: float = 1.0, entropy: float = 1.0, smoothness: float = 0.0, points: Tensor | None = None
) -> Tensor:
    """Return the penalty with these weights, a scalar that autograd differentiates, for a loss of your own.

    `points` are those of `penalty_rows`. Raises ConfigurationError if a weight is negative.
    """
    if not isinstance(network, KAN):
        raise ConfigurationError(f"expected a KAN, whose edges have functions, got {type(network).__name__}")
    return penalty_rows(network, Regularisation(l1, entropy, smoothness), points).square().sum()


def penalty_rows(network: KAN, options: Regularisation, points: Tensor | None = None) -> Tensor:
    """Return rows whose squares add up to the penalty: sparsity, then smoothness of each layer.

    The rows are differentiable by autograd. `points` (n, d), by default spread over the grid of the first layer, are
    the network's inputs. A hidden layer's inputs count as constants: its penalty depends on its own edges only.
    """
    rows = []
    points = spread_over(network, POINTS) if points is None else points
    for edges in looked_at(network, points, curved=options.smoothness > 0):
        spreads = spreads_of(edges)
        rows.append((sparsity(spreads, options) + TINY).sqrt().reshape(1))
        if options.smoothness:
            rows.append(options.smoothness**0.5 * roughness(edges) / size(spreads))
    return torch.cat(rows)


class Majorised:
    """The penalty near a network as a sum of squares tangent to it, for Gauss–Newton.

    The sparsity P(s) decreases as small edges shrink. With w_e = max(∂P/∂s_e, 0) at the network's own spreads s°, the
    squares of the rows √(w_e / 2 s°_e) s_e have the same slope, and the rows are linear in the size of an edge, unlike
    √P, so that a Gauss–Newton step has the right direction (iteratively reweighted least squares; Hunter and Lange, Am.
    Stat. 58 (2004) 30).
    """

    def __init__(self, network: KAN, options: Regularisation, points: Tensor) -> None:
        self._points, self._smoothness = points, options.smoothness**0.5
        self._weights, self._sizes = [], []
        for edges in looked_at(network, points, curved=False):
            spreads = spreads_of(edges).detach().requires_grad_()
            (slope,) = torch.autograd.grad(sparsity(spreads, options), spreads)
            held = spreads.detach()
            floor = 1e-6 * size(held)  # a smaller edge counts as zero
            self._weights.append((slope.clamp_min(0) / (2 * torch.maximum(held, floor))).sqrt())
            self._sizes.append(size(held))

    def rows(self, network: KAN) -> Tensor:
        """Return the rows (R,), differentiable by autograd."""
        rows = []
        looks = looked_at(network, self._points, curved=self._smoothness > 0)
        for edges, weights, scale in zip(looks, self._weights, self._sizes, strict=True):
            rows.append((weights * spreads_of(edges)).flatten())
            if self._smoothness:
                rows.append(self._smoothness * roughness(edges) / scale)
        return torch.cat(rows)


@dataclass(frozen=True)
class Edges:
    """The values (n, i, o) of a layer's edges at points, their highest derivatives, and the grids' half widths (i,)."""

    values: Tensor
    curvatures: Tensor
    half_widths: Tensor


def looked_at(network: KAN, points: Tensor, *, curved: bool) -> list[Edges]:
    """Return the edges of every layer at the network's inputs `points`, with second derivatives if `curved`."""
    with torch.no_grad():
        inputs = network.node_values(points)
    return [
        edges_at(layer, h, 3 if curved else 1)
        for layer, h in zip([network.first, *network.hidden], inputs, strict=True)
    ]


def spread_over(network: KAN, count: int) -> Tensor:
    """Return points spread over the grid of a network's inputs, (count, d)."""
    low, high = network.first.basis.range()
    unit = unit_points(count, network.first.basis.inputs, "sobol", np.random.default_rng(0))
    return low + (high - low) * torch.as_tensor(unit).to(low)


def edges_at(layer: KANLayer, inputs: Tensor, orders: int) -> Edges:
    """Return a layer's edges and their derivatives of orders below `orders` at its inputs (n, i)."""
    low, high = layer.basis.range()
    values = layer.edges(layer.features(inputs, orders))
    return Edges(values[0], values[-1], (high - low) / 2)


def spreads_of(edges: Edges) -> Tensor:
    """Return the root mean square of every edge about its mean, (i, o)."""
    return (edges.values.var(dim=0, correction=0) + TINY).sqrt()


def roughness(edges: Edges) -> Tensor:
    """Return κ_e of every edge, (i · o,)."""
    bends = edges.curvatures * edges.half_widths[:, None].square()
    return (bends.square().mean(dim=0) + TINY).sqrt().flatten()


def size(spreads: Tensor) -> Tensor:
    """Return √(Σ s²) of a layer."""
    return spreads.square().sum().sqrt()


def sparsity(spreads: Tensor, options: Regularisation) -> Tensor:
    """Return the first two terms of the penalty, from a layer's spreads."""
    shares = spreads / spreads.sum()
    excess = (spreads.sum() / size(spreads) - 1).clamp_min(0)  # rounding could make it negative
    return options.l1 * excess - options.entropy * (shares * shares.log()).sum()
