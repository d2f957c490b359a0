"""The search for functions that span the factors of one axis, or a profile: sums of bases, ranked."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import sympy as sp
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import numpy_function
from kanpde.symbolic.structure.atoms import VARIABLE, Basis, polynomials
from kanpde.symbolic.structure.factors import Subspace, closures, polynomial
from kanpde.symbolic.structure.limits import limits
from kanpde.symbolic.structure.variable_projection import Fit, Target, fit

# The largest relative misfit of a fit that is kept.
HOPELESS = 0.3
# The number of bases that are combined in sums.
POOL = 7


def criterion(misfit: float, size: int, count: int, error: float) -> float:
    """Return the Bayesian information criterion of a fit to `count` samples with the relative `error`."""
    return float(count * np.log(misfit**2 + error**2) + size * np.log(count))


def ranked(fits: Iterable[Fit], count: int, error: float, keep: int, alike: int = 2) -> list[Fit]:
    """Return the best `keep` fits by the criterion, each span once, at most `alike` with the same names of bases."""
    chosen: list[Fit] = []
    kinds: dict[tuple[str, ...], int] = {}
    for found in sorted(fits, key=lambda f: criterion(f.misfit, f.size, count, error)):
        kind = tuple(sorted(basis.name for basis in found.bases))
        if any(found.bases == other.bases and found.resembles(other) for other in chosen):
            continue
        if found.misfit < HOPELESS and kinds.get(kind, 0) < alike and len(chosen) < keep:
            kinds[kind] = kinds.get(kind, 0) + 1
            chosen.append(found)
    return chosen


def closed(space: Subspace, error: float, prefactor: sp.Expr | None = None, keep: int = 4) -> list[Fit]:
    """Return spans from relations between the factors and their derivatives, and polynomials, the best first.

    A prefactor, an expression of VARIABLE, adds the spans of the factors divided by it.
    """
    target = target_of(space)
    sums = [*closures(space)]
    if prefactor is not None and (simpler := divided(space, prefactor)) is not None:
        sums += times(prefactor, closures(simpler))
    fits = [f for bases, start in sums for f in fit(target, bases, start[None])]
    fits += [limit for found in fits for limit in limits(target, found, error)]
    fits += alone(target, polynomials(), space.rank)
    return ranked(fits, len(space.nodes), error, keep)


def divided(space: Subspace, prefactor: sp.Expr) -> Subspace | None:
    """Return the factors divided by a function, with derivatives; None if a value is not finite."""
    inverse = [sp.diff(1 / prefactor, VARIABLE, k) for k in range(3)]
    h, h1, h2 = (numpy_function(part, [VARIABLE.name])(space.nodes)[:, None] for part in inverse)
    v, v1, v2 = space.functions, space.first, space.second
    found = replace(space, functions=h * v, first=h1 * v + h * v1, second=h2 * v + 2 * h1 * v1 + h * v2)
    return found if all(np.isfinite(part).all() for part in (found.functions, found.first, found.second)) else None


def times(
    prefactor: sp.Expr, sums: Iterable[tuple[tuple[Basis, ...], Array]]
) -> Iterator[tuple[tuple[Basis, ...], Array]]:
    """Yield the same sums of bases with every function multiplied by the prefactor."""
    for bases, start in sums:
        yield tuple(replace(b, functions=tuple(prefactor * f for f in b.functions)) for b in bases), start


def searched(space: Subspace, bases: Sequence[Basis], error: float, keep: int = 6) -> list[Fit]:
    """Return spans of single bases, and of sums of bases if no single basis comes close to the subspace."""
    target = target_of(space)
    fits = alone(target, bases, space.rank)
    if 1 < space.rank <= 3 and min((f.misfit for f in fits), default=1.0) > 3 * error:
        fits += together(target, space, bases)
    return ranked(fits, len(space.nodes), error, keep)


def target_of(space: Subspace) -> Target:
    """Return the factors as a target, each scaled by its singular value."""
    return Target.of(space.nodes, space.functions * space.sizes, space.weights)


def alone(target: Target, bases: Sequence[Basis], rank: int = 1) -> list[Fit]:
    """Return fits of every single basis with at least `rank` functions."""
    low, high = target.range
    room = [basis for basis in bases if len(basis.functions) >= rank]
    return [f for b in room for f in fit(target, (b,), b.starts(low, high, len(target.variable)), keep=2)]


def together(target: Target, space: Subspace, bases: Sequence[Basis]) -> list[Fit]:
    """Return fits of sums of polynomials and bases close to the subspace, because one basis cannot fit a mixture."""
    pool = _close(target, space, [basis for basis in bases if basis.functions[0] != 1])
    chosen: list[tuple[tuple[Basis, Array], ...]] = [(entry,) for entry in pool]
    chosen += [sum_ for k in (2, 3) if k <= space.rank for sum_ in itertools.combinations(pool, k)]
    found = []
    for entries in chosen:
        parts, start = tuple(basis for basis, _ in entries), np.concatenate([start for _, start in entries])
        degrees = (-1, 0) if len(entries) > 1 else (1, 2, 3, 4)
        found += [f for degree in degrees for f in fit(target, (*parts, *polynomial(degree)), start[None])]
    return found


def _close(target: Target, space: Subspace, bases: Sequence[Basis]) -> list[tuple[Basis, Array]]:
    """Return the bases and constants whose spans have the smallest principal angle to the subspace."""
    low, high = target.range
    orthonormal = target.root * torch.as_tensor(space.functions)
    found: list[tuple[float, Basis, Array]] = []
    for basis in bases:
        starts = torch.as_tensor(basis.starts(low, high, len(target.variable)))
        functions = torch.nan_to_num(basis.values(target.variable, starts) * target.root, 0.0, 0.0, 0.0)
        q, _ = torch.linalg.qr(functions / functions.norm(dim=1, keepdim=True).clamp_min(1e-300))
        cosine = torch.linalg.matrix_norm(orthonormal.T @ q, ord=2)
        sine = (1 - cosine.square()).clamp_min(0).sqrt()
        found += [(float(sine[i]), basis, starts[i].numpy()) for i in sine.argsort(stable=True)[:2].tolist()]
    found.sort(key=lambda entry: entry[0])
    return [(basis, start) for _, basis, start in found[:POOL]]
