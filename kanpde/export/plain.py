"""A network as plain numbers: knots and coefficients of splines, base functions, atoms, and the kinds of nodes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.errors import ConfigurationError
from kanpde.network.bspline import BSpline
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer
from kanpde.network.trial_function import Model
from kanpde.problem.evolving_part import EvolvingPart
from kanpde.problem.lift import SingularPart, Standard


@dataclass(frozen=True)
class PlainAtom:
    """The edge c f(a x + b) + d from an input to a subnode."""

    source: int
    target: int
    name: str
    constants: tuple[float, ...]


@dataclass(frozen=True)
class PlainLayer:
    """A layer in double precision.

    `knots` (i, n + 2k + 1) and `coefficients` (i, n + k, o) are those of the splines of degree k, those of periodic
    inputs continued; `slopes` (i, 2, o) are those of the lines on which splines go on below and above their grids, zero
    for periodic inputs. `weights` (i, o) are those of the `base` function of (x − centre) / half_width, None without
    one. The first `sums` of the o subnodes are nodes, the others are multiplied in pairs.
    """

    degree: int
    knots: Array
    coefficients: Array
    slopes: Array
    periodic: tuple[bool, ...]
    sums: int
    base: str | None
    centre: Array
    half_width: Array
    weights: Array | None
    atoms: tuple[PlainAtom, ...]


def plain_layers(network: object) -> list[PlainLayer]:
    """Return the layers of a network; raise ConfigurationError if it is no KAN, or its edges are no splines."""
    if not isinstance(network, KAN):
        raise ConfigurationError(
            f"expected a KAN to export as a function, got {type(network).__name__}; write .npz or .csv instead"
        )
    return [_plain(layer) for layer in [network.first, *network.hidden]]


def plain_scaling(model: Model, fields: int, ending: str) -> tuple[list[float], list[float]]:
    """Return (mean, deviation) of every field: it is mean + deviation · network; 0 and 1 where nothing is scaled.

    Raises ConfigurationError where values of hard conditions are part of the solution, which no numbers replace.
    """
    if model.ansatz is None:
        return [0.0] * fields, [1.0] * fields
    check_smooth(model, ending)
    if not isinstance(model.ansatz, Standard):
        raise ConfigurationError(
            f"expected soft conditions for {ending}, got hard ones, whose values are code; use .pt2, or leave out "
            "hard=True"
        )
    return model.ansatz.mean.tolist(), model.ansatz.deviation.tolist()


def check_smooth(model: Model, ending: str) -> None:
    """Raise ConfigurationError if a model has singular functions, which a format cannot hold."""
    if isinstance(model.ansatz, SingularPart | EvolvingPart):
        raise ConfigurationError(
            f"expected a solution without singular functions of corners or holes for {ending}, got "
            f"{len(model.ansatz.functions)} of them; use .pt2, or a grid such as .npz"
        )


def plain_name(name: str) -> str:
    """Return a problem's name with letters, digits and underscores only, because it becomes part of code."""
    return re.sub(r"\W", "_", name)


def _plain(layer: KANLayer) -> PlainLayer:
    basis = layer.basis
    if not isinstance(basis, BSpline):
        raise ConfigurationError(
            f"expected a network of splines to export, got edges of the kind {type(basis).__name__}"
        )
    free = _numbers(layer.coefficients)
    if layer.fixed is not None:
        free = free * _numbers(layer.fixed.mask)
    splines = free[:, : basis.functions].copy()
    with torch.no_grad():
        ends = _numbers(basis.evaluate(torch.stack(basis.range(), dim=1), 2)[1])  # (i, functions, 2)
    slopes = np.einsum("ige,igo->ieo", ends, splines) * ~np.array(basis.periodic)[:, None, None]
    for i, periodic in enumerate(basis.periodic):
        if periodic:
            splines[i] = splines[i, np.arange(basis.functions) % basis.intervals]
    weights = None if basis.base is None else free[:, -1] * ~np.array(basis.periodic)[:, None]
    atoms = {} if layer.fixed is None else layer.fixed.atoms()
    return PlainLayer(
        degree=basis.degree,
        knots=_numbers(basis.knots),
        coefficients=splines,
        slopes=slopes,
        periodic=tuple(basis.periodic),
        sums=layer.sums,
        base=basis.base,
        centre=_numbers(basis.centre),
        half_width=_numbers(basis.half_width),
        weights=weights,
        atoms=tuple(PlainAtom(i, o, name, constants) for (i, o), (name, constants) in sorted(atoms.items())),
    )


def _numbers(tensor: Any) -> Array:
    return np.asarray(tensor.detach().cpu().double().numpy())
