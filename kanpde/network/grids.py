"""Grids of a layer that follow the values that arrive at it.

Beyond its grid an edge is a line, without curvature. A training whose methods take only steps that reduce the loss lets
the outermost polynomials go on instead; at its end the grids are extended to the values, which changes no edge there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.network.edge_basis import EdgeBasis
from kanpde.network.layer import KANLayer
from kanpde.network.moments import hand_over

# Margin of the grid of a hidden node beyond the node's values, as a share of their range.
MARGIN = 0.1
NARROWEST = 1e-2  # least length of a grid, relative to 1 and to the values
STATIONS = 8  # points for each function at which edge functions are fitted anew
LEAST_USE = 0.5  # share of a grid that values must use, or else `update_layer` makes it smaller


def padded(values: Tensor) -> tuple[Array, Array]:
    """Return the smallest and largest entries of each column of `values` (n, i), with a margin; (i,) each."""
    low, high = (end.double().cpu().numpy() for end in (values.amin(dim=0), values.amax(dim=0)))
    pad = MARGIN * (high - low) + 1e-6
    return low - pad, high + pad


def spanned(values: Tensor) -> tuple[Array, Array]:
    """Return the same ends, no closer to each other than single precision can divide."""
    low, high = padded(values)
    more = np.fmax(NARROWEST * (1 + np.abs(low + high) / 2) - (high - low), 0) / 2
    return low - more, high + more


def refine_layer(layer: KANLayer, values: Array, mass: Array, optimiser: torch.optim.Optimizer | None = None) -> None:
    """Refine a layer's basis where most of the `mass` (n,) at inputs `values` (n, i) is; its edges do not change."""
    replace(layer, lambda held: layer.basis.refine(values, mass, held), optimiser)


def replace(layer: KANLayer, change: Callable[[Tensor], Tensor], optimiser: torch.optim.Optimizer | None) -> None:
    """Replace the coefficients of a layer's functions by their linear `change`, (i, g, o) -> (i, more, o).

    The optimiser gets the new coefficients in the place of the old ones, with the moments that follow from the change.
    """
    old, functions = layer.coefficients, layer.basis.functions
    held, rest = old.detach()[:, :functions], old.detach()[:, functions:]
    identity = torch.eye(functions).to(held).expand(len(held), -1, -1)
    moved = change(torch.cat([held, identity], dim=2)).to(held)
    coefficients = torch.cat([moved[..., :-functions], rest], dim=1)
    layer.coefficients = torch.nn.Parameter(coefficients, requires_grad=old.requires_grad)
    if optimiser is not None:
        hand_over(optimiser, old, layer.coefficients, moved[..., -functions:])


def extend_layer(layer: KANLayer, values: Tensor) -> bool:
    """Extend the grids of a layer's inputs that `values` (n, i) leave; return whether there were such grids."""
    ends = wider_ends(layer, values)
    if ends is not None:
        held = layer.coefficients[:, : layer.basis.functions]
        held.copy_(layer.basis.extend(*ends, held).to(held))
    return ends is not None


def widen_layer(layer: KANLayer, values: Tensor, optimiser: torch.optim.Optimizer | None = None) -> bool:
    """Do the same by new intervals beyond the ends, if the functions of the layer have intervals."""
    ends = wider_ends(layer, values)
    if ends is not None:
        replace(layer, lambda held: layer.basis.widen(*ends, held), optimiser)
    return ends is not None


def wider_ends(layer: KANLayer, values: Tensor) -> tuple[Array, Array] | None:
    """Return ends (i,) of grids that contain the old ones and `values` (n, i); None if no grid is left."""
    low, high = grid_ends(layer)
    least, most = spanned(values)
    leaving = leaves(layer, values)
    if not leaving.any():
        return None
    return np.where(leaving, np.fmin(least, low), low), np.where(leaving, np.fmax(most, high), high)


def update_layer(layer: KANLayer, values: Tensor) -> bool:
    """Fit the edges of a layer anew where `values` (n, i) leave their grid or use little of it; return whether any."""
    low, high = grid_ends(layer)
    least, most = spanned(values)
    small = np.less(most - least, LEAST_USE * (high - low))
    small &= np.isfinite(most - least) & ~np.array(layer.basis.periodic)
    changed = leaves(layer, values) | small
    for i in np.flatnonzero(changed):
        refit(layer, int(i), float(least[i]), float(most[i]), None)
    return bool(changed.any())


def quantile_layer(layer: KANLayer, values: Tensor, share: float) -> bool:
    """Place each input's breakpoints at quantiles of `values` (n, i), mixed with even ones, and fit the edges anew."""
    least, most = spanned(values)
    for i in range(layer.basis.inputs):
        if layer.basis.periodic[i] or not np.isfinite([least[i], most[i]]).all():
            continue
        steps = np.linspace(0, 1, layer.basis.intervals + 1)
        quantiles = np.quantile(values[:, i].double().cpu().numpy(), steps)
        quantiles[[0, -1]] = least[i], most[i]
        even = least[i] + (most[i] - least[i]) * steps
        # A trace of the even ones keeps breakpoints apart where many values are equal.
        refit(layer, i, float(least[i]), float(most[i]), min(share, 0.99) * quantiles + max(1 - share, 0.01) * even)
    return True


def refit(layer: KANLayer, i: int, low: float, high: float, breakpoints: Array | None) -> None:
    """Fit the edges from input i on a new grid over [low, high], evenly spaced if there are no `breakpoints`."""
    basis, held = layer.basis, layer.coefficients
    x = np.linspace(low, high, STATIONS * basis.functions)
    before = held[i].T @ columns_at(basis, i, x)
    if breakpoints is None:
        basis.regrid(i, low, high, 0.0)
    else:
        basis.set_breakpoints(i, breakpoints)
    after = held[i, basis.functions :].T @ columns_at(basis, i, x)[basis.functions :]
    fitted = basis.fit(i, x, (before - after).T.double().cpu().numpy())
    held[i, : basis.functions] = torch.as_tensor(fitted).to(held)


@torch.no_grad()
def transfer(old: KANLayer, new: KANLayer) -> None:
    """Give the edges of a layer the functions of those of another, on the same intervals of the inputs.

    They are the nearest ones of the new basis in the mean square. Edges that are atoms or pruned stay so.
    """
    low, high = grid_ends(old)
    functions, held = old.basis.functions, old.coefficients
    for i in range(old.basis.inputs):
        x = np.linspace(low[i], high[i], STATIONS * max(functions, new.basis.functions))
        values = held[i, :functions].T @ columns_at(old.basis, i, x)[:functions]
        fitted = new.basis.fit(i, x, values.T.double().cpu().numpy())
        new.coefficients[i, : new.basis.functions] = torch.as_tensor(fitted).to(new.coefficients)
        new.coefficients[i, new.basis.functions :] = held[i, functions:].to(new.coefficients)
    new.basis.straight, new.fixed = old.basis.straight, copy.deepcopy(old.fixed)


def columns_at(basis: EdgeBasis, i: int, x: Array) -> Tensor:
    """Return the features of input i at x (n,): (size, n)."""
    places = torch.zeros(basis.inputs, len(x)).to(basis.centre)
    places[i] = torch.as_tensor(x)
    return basis.columns(places, 1)[0][i]


def grid_ends(layer: KANLayer) -> tuple[Array, Array]:
    """Return the ends of the grids of a layer's inputs, (i,) each."""
    low, high = (end.double().cpu().numpy() for end in layer.basis.range())
    return low, high


def leaves(layer: KANLayer, values: Tensor) -> Array:
    """Return whether `values` (n, i) leave the grid of each input, (i,); periodic inputs have no ends."""
    low, high = layer.basis.range()
    least, most = values.amin(dim=0), values.amax(dim=0)
    outside = ((least < low) | (most > high)) & least.isfinite() & most.isfinite()
    return np.asarray((outside & ~layer.basis.periodic_mask(values)).cpu())
