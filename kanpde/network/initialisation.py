"""Initial coefficients: smooth random edge functions whose network is nearly a sum of separated products.

Most solutions of PDEs are close to a short sum of products of univariate functions. Initially the two factors of a
product node therefore depend on different coordinates, and the last layer is nearly linear. The first Gauss–Newton
steps then solve an almost linear problem in each family of factors, as alternating least squares does.
"""

from __future__ import annotations

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.network.edge_basis import EdgeBasis
from kanpde.network.layer import KANLayer

MODES = 5  # number of smooth functions that a random edge function combines


def initialise(layer: KANLayer, position: str, generator: np.random.Generator) -> None:
    """Set the coefficients of a layer at random; `position` is "first", "hidden" or "last"."""
    basis = layer.basis
    strength = np.full((basis.inputs, layer.subnodes), 1 / np.sqrt(basis.inputs))
    if position == "first" and basis.inputs > 1:
        for product in range(layer.products):
            strength[:, layer.sums + 2 * product : layer.sums + 2 * product + 2] = separating_strengths(
                basis.inputs, product, generator
            )
    values = torch.zeros_like(layer.coefficients)
    for i in range(basis.inputs):
        if position == "last":
            columns = nearly_linear_functions(basis, i, layer.subnodes, generator)
        else:
            columns = smooth_functions(basis, i, layer.subnodes, generator)
        values[i, : basis.functions] = torch.as_tensor(columns * strength[i])
    with torch.no_grad():
        layer.coefficients.copy_(values)


def separating_strengths(inputs: int, product: int, generator: np.random.Generator) -> Array:
    """Return the strength of each input in the two factors of a product node, (inputs, 2); one of the two is zero."""
    order = generator.permutation(inputs) if inputs > 2 else np.roll(np.arange(inputs), product)
    cut = 1 + product % (inputs - 1)
    strength = np.zeros((inputs, 2))
    strength[order[:cut], 0] = 1 / np.sqrt(cut)
    strength[order[cut:], 1] = 1 / np.sqrt(inputs - cut)
    return strength


def smooth_functions(basis: EdgeBasis, i: int, count: int, generator: np.random.Generator) -> Array:
    """Return coefficients (functions, count) of random smooth functions of input i with root mean square 1."""
    x, s = stations(basis, i)
    decay = 1 / (1 + np.arange(MODES))
    if basis.periodic[i]:
        modes = np.stack(
            [np.ones_like(s), np.cos(np.pi * s), np.sin(np.pi * s), np.cos(2 * np.pi * s), np.sin(2 * np.pi * s)],
            axis=1,
        )
        decay = np.array([0.5, 1, 1, 0.5, 0.5])
    else:
        modes = np.polynomial.chebyshev.chebvander(s, MODES - 1)
    values = modes @ (generator.normal(size=(MODES, count)) * decay[:, None])
    return basis.fit(i, x, values / np.sqrt(np.square(values).mean(axis=0)))


def nearly_linear_functions(basis: EdgeBasis, i: int, count: int, generator: np.random.Generator) -> Array:
    """Return coefficients (functions, count) of lines of slope ±1 plus 0.05 times random smooth functions."""
    x, s = stations(basis, i)
    signs = generator.choice([-1.0, 1.0], size=count)
    return basis.fit(i, x, s[:, None] * signs) + 0.05 * smooth_functions(basis, i, count, generator)


def stations(basis: EdgeBasis, i: int) -> tuple[Array, Array]:
    """Return equidistant points x across the grid of input i, and the same scaled to s ∈ [−1, 1]; (m,) each."""
    low, high = (float(end[i]) for end in basis.range())
    s = np.linspace(-1, 1, 6 * basis.functions)
    return (low + high) / 2 + (high - low) / 2 * s, s
