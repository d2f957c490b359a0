"""Suggest atoms for an edge: c f(a x + b) + d fitted by variable projection.

Linear regression gives the best c and d for given a and b, so the search is over (a, b) only: a grid, and from its best
places Levenberg–Marquardt over all four (Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import least_squares
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.functions import ATOMS, Atom, atom
from kanpde.network.kan import KAN
from kanpde.readable.source import check_edge, network_of, points_of
from kanpde.solution import Solution

RESOLUTION = 129  # points along an edge
STARTS = 2  # places of the grid that are refined
BRIEFLY, FULLY = 15, 100  # evaluations of the first refinement, and of the last, of the likeliest atoms
PROMISING, LIKELY = 12, 4  # the number of atoms that are refined briefly, and the number refined fully
ALIKE = 3.0  # the factor between errors within which fits are ranked by simplicity
EXACT = 1e-9  # the error below which fits are ranked by simplicity
CONSTANT = 1e-10  # the spread of an edge, relative to its size, below which it is a constant
# The grid in half ranges of the edge: scales of an atom, its centres, its phases, and distances of a pole.
SCALES = np.concatenate([np.geomspace(0.1, 1.0, 8), np.arange(1.5, 40.0, 0.75)])
SQUARES = np.arange(0.5, 60.0, 0.5)  # squares of the scales of a function of a square
CENTRES = np.linspace(-1.5, 1.5, 13)
PHASES = np.arange(8) * np.pi / 8
GAPS = np.geomspace(1e-3, 30.0, 24)


@dataclass(frozen=True)
class Suggestion:
    """An edge as c f(a x + b) + d: `error` is the root mean square error, relative to the edge's spread."""

    name: str
    error: float
    a: float
    b: float
    c: float
    d: float

    @property
    def constants(self) -> tuple[float, float, float, float]:
        """(a, b, c, d)."""
        return self.a, self.b, self.c, self.d


def suggest(source: KAN | Solution, layer: int, i: int, o: int, atoms: Iterable[str] | None = None) -> list[Suggestion]:
    """Return the atoms that fit the edge from node i to subnode o of a layer, the best first.

    The fit is over the range of the edge's inputs at points of the domain, or of the grid of a network without a
    solution. Fits with similar errors are in the order of simplicity. `atoms` names the atoms to try, by default all.

    Raises ConfigurationError if the edge or an atom does not exist.
    """
    x, y = edge_curve(source, layer, i, o)
    names = checked(atoms)
    rough = [fit for name in names if (fit := fitted(name, x, y, 1)) is not None]
    rough.sort(key=lambda fit: fit.error)
    brief = [fitted(fit.name, x, y, BRIEFLY) or fit for fit in rough[:PROMISING]]
    order = ranked([*brief, *rough[PROMISING:]])
    return ranked([*(fitted(fit.name, x, y, FULLY) or fit for fit in order[:LIKELY]), *order[LIKELY:]])


def checked(atoms: Iterable[str] | None) -> list[str]:
    """Return the names of the atoms to try; raise ConfigurationError if one is unknown."""
    names = list(ATOMS) if atoms is None else [atoms] if isinstance(atoms, str) else list(atoms)
    for name in names:
        atom(name)
    return names


@torch.no_grad()
def edge_curve(source: KAN | Solution, layer: int, i: int, o: int) -> tuple[Array, Array]:
    """Return the edge's inputs, equally spaced over their range, and its values."""
    network = network_of(source)
    holder = check_edge(network, layer, i, o)
    met = network.node_values(points_of(source))[layer]
    s = torch.linspace(0, 1, RESOLUTION).to(met)[:, None]
    low, high = met.amin(dim=0), met.amax(dim=0)
    inputs = low + (high - low) * s
    values = holder.edges(holder.features(inputs, 1))[0, :, i, o]
    return inputs[:, i].cpu().double().numpy(), values.cpu().double().numpy()


def ranked(fits: list[Suggestion]) -> list[Suggestion]:
    """Return the fits in the order of their errors, the simplest first among similar errors."""
    left, result = sorted(fits, key=lambda fit: fit.error), []
    while left:
        limit = max(ALIKE * left[0].error, EXACT)
        alike = [fit for fit in left if fit.error <= limit]
        result.append(min(alike, key=lambda fit: ATOMS[fit.name].complexity))
        left.remove(result[-1])
    return result


def fitted(name: str, x: Array, y: Array, evaluations: int = FULLY) -> Suggestion | None:
    """Return the best c f(a x + b) + d for values y at x, None if no a and b make the atom smooth on all of x."""
    atom = ATOMS[name]
    spread = max(float(y.std()), 1e-300)
    if spread <= CONSTANT * float(np.abs(y).max()):
        return Suggestion(name, 0.0, 1.0, 0.0, 0.0, float(y.mean())) if atom.domain == (-np.inf, np.inf) else None
    target = (y - y.mean()) / spread
    starts = best_starts(atom, x, target)
    tried = (refined(atom, x, target, start, evaluations) for start in starts)
    fits = [fit for fit in tried if fit is not None]
    if not fits:
        return None
    error, (a, b, c, d) = min(fits, key=lambda fit: fit[0])
    return Suggestion(name, error, a, b, c * spread, d * spread + float(y.mean()))


def best_starts(atom: Atom, x: Array, target: Array) -> list[tuple[float, float]]:
    """Return the places (a, b) of the grid with the smallest errors, c and d eliminated."""
    places = grid(atom, float(x.min()), float(x.max()))
    with np.errstate(all="ignore"):
        inner = places[:, :1] * x + places[:, 1:]
        inside = (inner.min(axis=1) > atom.domain[0]) & (inner.max(axis=1) < atom.domain[1])
        places, inner = places[inside], inner[inside]
        values = evaluated(atom, inner, 1)[0]
        values = values - values.mean(axis=1, keepdims=True)
        variance = np.square(values).mean(axis=1)
        explained = np.square(values @ target / len(target)) / variance
    explained = np.where(np.isfinite(explained) & (variance > 1e-20), explained, -1.0)
    order = np.argsort(-explained, kind="stable")[:STARTS]
    return [(float(a), float(b)) for a, b in places[order[explained[order] >= 0]]]


def grid(atom: Atom, low: float, high: float) -> Array:
    """Return pairs (a, b), (p, 2), whose free constants cover the possible atoms on [low, high]."""
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-300)
    if atom.squares:
        a = np.repeat(np.sqrt(SQUARES), len(CENTRES)) / half
        return np.stack([a, -a * (middle + half * np.tile(CENTRES, len(SQUARES)))], axis=1)
    if atom.free == (True, True):
        a = np.repeat(SCALES, len(CENTRES) + len(PHASES)) / half
        shifts = np.concatenate([np.concatenate([-scale * CENTRES, PHASES]) for scale in SCALES])
        signs = (1, -1) if atom.mirrored else (1,)
        return np.concatenate([np.stack([sign * a, shifts - sign * a * middle], axis=1) for sign in signs])
    if atom.free == (True, False):
        a = np.concatenate([SCALES, -SCALES]) / half
        return np.stack([a, np.zeros_like(a)], axis=1)
    if atom.free == (False, False):
        return np.array([[1.0, 0.0]])
    if atom.domain[0] == 0.0:
        gaps = half * GAPS
        return np.concatenate(
            [np.stack([np.full_like(gaps, sign), gaps + half - sign * middle], axis=1) for sign in (1.0, -1.0)]
        )
    centres = half * np.linspace(-4, 4, 33)
    return np.stack([np.ones_like(centres), centres - middle], axis=1)


def refined(
    atom: Atom, x: Array, target: Array, start: tuple[float, float], evaluations: int
) -> tuple[float, tuple[float, ...]] | None:
    """Return (error, (a, b, c, d)) after Levenberg–Marquardt from (a, b), None if it leaves the atom's domain."""
    value = evaluated(atom, start[0] * x + start[1], 1)[0]
    c, d = np.linalg.lstsq(np.stack([value, np.ones_like(x)], axis=1), target, rcond=None)[0]
    constants = np.array([*start, c, d])
    chosen = np.array([*atom.free, True, True])

    def rows(free: Array) -> Array:
        constants[chosen] = free
        f = evaluated(atom, constants[0] * x + constants[1], 1)[0]
        return np.asarray(constants[2] * f + constants[3] - target)

    def slopes(free: Array) -> Array:
        constants[chosen] = free
        f, slope = evaluated(atom, constants[0] * x + constants[1], 2)
        by_b = constants[2] * slope
        return np.asarray(np.stack([by_b * x, by_b, f, np.ones_like(x)], axis=1)[:, chosen])

    options: dict[str, Any] = {"method": "lm", "x_scale": "jac", "max_nfev": evaluations, "xtol": 1e-14, "ftol": 1e-14}
    with np.errstate(all="ignore"):
        try:
            found = least_squares(rows, constants[chosen].copy(), jac=slopes, **options)
        except ValueError:  # the atom has left its domain, where its values are not finite
            return None
    rows(found.x)
    inner = constants[0] * x + constants[1]
    if not np.isfinite(constants).all() or inner.min() <= atom.domain[0] or inner.max() >= atom.domain[1]:
        return None
    return float(np.sqrt(2 * found.cost / len(x))), tuple(float(value) for value in constants)


def evaluated(atom: Atom, inner: Array, orders: int) -> list[Array]:
    """Return f and its derivatives at an array, with infinity replaced by a large number."""
    values: list[Tensor] = atom.derivatives(torch.from_numpy(inner), orders)
    return [value.clamp(-1e150, 1e150).numpy() for value in values]
