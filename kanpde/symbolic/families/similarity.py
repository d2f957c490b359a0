"""Similarity reductions u = m F(s) + addend by a symmetry, identified from the null vector of an SVD.

If (a0 + a1 x) u_x + (b0 + b1 t) u_t + c u + d = 0 everywhere, the method of characteristics gives s, m and the addend.
If u = F(k·x), the covariance of the gradients has rank one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import symbols
from kanpde.symbolic.families.characteristics import characteristics
from kanpde.symbolic.families.proposal import Constants, Proposal, evaluated, linear, placeholder
from kanpde.symbolic.structure.atoms import Basis
from kanpde.symbolic.structure.sampled import Sampled
from kanpde.symbolic.structure.span_search import alone, ranked
from kanpde.symbolic.structure.variable_projection import Target

# Points at which a profile is fitted.
POINTS = 300
# Fits of a profile that are kept.
KEPT = 8
# The error of derivatives relative to the error of values.
LOOSER = 50.0
# Columns of the symmetry test, from few to many; a missing column has the coefficient zero.
RELATIONS = (
    ("u_x", "u_t", "u"),
    ("u_x", "u_t", "1"),
    ("x u_x", "t u_t", "u"),
    ("x u_x", "t u_t", "u_t", "u"),
    ("x u_x", "u_t", "u"),
    ("u_x", "t u_t", "u"),
    ("x u_x", "t u_t", "u_x", "u_t", "u"),
    ("x u_x", "t u_t", "u_t", "u", "1"),
)
# Entries of a unit null vector below this count as zero.
ZERO = 1e-3


@dataclass(frozen=True)
class Reduction:
    """u = multiplier · F(variable) + addend, with initial values of its constants.

    The symmetry holds if the `number` of its test is at most `threshold`.
    """

    name: str
    multiplier: sp.Expr
    variable: sp.Expr
    addend: sp.Expr
    constants: Constants
    number: float
    threshold: float

    @property
    def form(self) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """The key that two reductions share if they differ only in the values of their constants."""
        return self.multiplier, self.variable, self.addend


def reductions(field: Sampled) -> Iterator[Reduction]:
    """Yield every reduction whose test the field passes, the simplest first."""
    if field.dimension < 2 or field.norm() == 0:
        return
    found: list[Reduction | None] = [ridge(field)]
    found += [symmetry(field, relation) for relation in RELATIONS] if field.dimension == 2 else []
    found.append(radial(field))
    seen = set()
    for reduction in found:
        if reduction is not None and reduction.number <= reduction.threshold and reduction.form not in seen:
            seen.add(reduction.form)
            yield reduction


def ridge(field: Sampled) -> Reduction:
    """Return the reduction u = F(k·x), tested by the share of the gradients off their principal direction."""
    lengths = [np.ptp(nodes) for nodes in field.nodes]
    parts = [np.sqrt(field.weight) * f * length for f, length in zip(field.first, lengths, strict=True)]
    slopes = np.stack([part.ravel() for part in parts], axis=1)
    _, sizes, directions = np.linalg.svd(slopes, full_matrices=False)
    direction = directions[0] / lengths
    number = float(sizes[1] / max(sizes[0], 1e-300))
    names = symbols(field.names)
    main = int(np.argmax(np.abs(directions[0])))
    constants: Constants = {}
    variable = names[main]
    for axis, name in enumerate(names):
        share = float(direction[axis] / direction[main])
        if axis != main and abs(directions[0][axis]) > ZERO / 10:
            constants[placeholder(len(constants))] = share
            variable += placeholder(len(constants) - 1) * name
    return Reduction("ridge", sp.S.One, variable, sp.S.Zero, constants, number, threshold(field))


def threshold(field: Sampled) -> float:
    """Return the largest number of a test on derivatives that the error of the field explains."""
    return float(np.clip(LOOSER * field.error, 1e-6, 0.1))


def relation_columns(field: Sampled) -> dict[str, Array]:
    """Return the columns of the symmetry test on the grid."""
    (x, t), (u_x, u_t) = field.coordinates, field.first
    known = {"u_x": u_x, "u_t": u_t, "x u_x": x * u_x, "t u_t": t * u_t, "u": field.values}
    return {**known, "1": np.full_like(field.values, field.norm())}


def symmetry(field: Sampled, relation: Sequence[str]) -> Reduction | None:
    """Return the reduction of the columns' null vector; None if it is not unique or gives no finite form."""
    root, known = np.sqrt(field.weight), relation_columns(field)
    columns = np.stack([(root * known[word]).ravel() for word in relation], axis=1)
    scale = np.linalg.norm(columns, axis=0)
    if not (np.isfinite(scale) & (scale > 0)).all():
        return None
    _, sizes, right = np.linalg.svd(columns / scale, full_matrices=False)
    number, limit = float(sizes[-1] / sizes[0]), threshold(field)
    if sizes[-2] / sizes[0] <= limit:
        return None  # a null space of dimension two; relations with fewer columns contain its vectors separately
    null = np.where(np.abs(right[-1]) < ZERO, 0.0, right[-1]) / scale
    found = dict(zip(relation, map(float, null), strict=True))
    found["1"] = found.get("1", 0.0) * field.norm()
    solved = characteristics(symbols(field.names), field.nodes, found)
    if solved is None:
        return None
    return Reduction(
        ", ".join(relation), solved.multiplier, solved.variable, solved.addend, solved.constants, number, limit
    )


def radial(field: Sampled) -> Reduction | None:
    """Return the reduction u = F(Σ (x_i - c_i)²), or None if no unique centre c exists.

    The test is (x_i - c_i) u_j = (x_j - c_j) u_i for all pairs of coordinates.
    """
    axes, root = range(field.dimension), np.sqrt(field.weight)
    blocks, terms = [], []
    for i, j in itertools.combinations(axes, 2):
        (x, y), (u_x, u_y) = (field.coordinates[i], field.coordinates[j]), (field.first[i], field.first[j])
        shifts = {i: -u_y, j: u_x}
        columns = [*(shifts.get(k, np.zeros_like(x)) for k in axes), x * u_y - y * u_x]
        blocks.append(np.stack([(root * column).ravel() for column in columns], axis=1))
        terms.append(np.hypot(field.norm(x * u_y), field.norm(y * u_x)))
    matrix = np.concatenate(blocks)
    # The last column vanishes if the centre is the origin, so the norm of its two terms scales it.
    scale = np.append(np.linalg.norm(matrix[:, :-1], axis=0), np.linalg.norm(terms))
    if not (np.isfinite(scale) & (scale > 0)).all():
        return None
    _, sizes, right = np.linalg.svd(matrix / scale, full_matrices=False)
    null = np.where(np.abs(right[-1]) < ZERO, 0.0, right[-1]) / scale
    if sizes[-2] <= threshold(field) * sizes[0] or not null[-1]:
        return None
    centre = [float(part / null[-1]) for part in null[:-1]]
    constants = {placeholder(axis): value for axis, value in enumerate(centre) if value}
    squares = [(s - placeholder(a) if centre[a] else s) ** 2 for a, s in enumerate(symbols(field.names))]
    number = float(sizes[-1] / sizes[0])
    return Reduction("radial", sp.S.One, sp.Add(*squares), sp.S.Zero, constants, number, threshold(field))


def profile_proposals(
    field: Sampled, bases: Sequence[Basis], reduction: Reduction, wrap: Callable[[sp.Expr], sp.Expr] = lambda w: w
) -> Iterator[Proposal]:
    """Yield proposals for a field with this reduction, one for each good fit of its profile F.

    `wrap` maps the expression of the field to that of the solution.
    """
    picked = np.random.default_rng(0).permutation(field.values.size)[:POINTS]
    columns = {n: column.ravel()[picked] for n, column in zip(field.names, field.coordinates, strict=True)}
    multiplier, variable, addend = (
        evaluated(part, reduction.constants, columns)
        for part in (reduction.multiplier, reduction.variable, reduction.addend)
    )
    weights = field.weight.ravel()[picked] * multiplier**2
    profile = (field.values.ravel()[picked] - addend) / multiplier
    if not (np.isfinite(profile) & np.isfinite(variable)).all():
        return
    fits = ranked(alone(Target.of(variable, profile[:, None], weights), bases), len(picked), field.error, KEPT, 3)
    size = max(float(np.linalg.norm(np.sqrt(weights) * profile)), 1e-300)
    for fit in fits:
        own = [placeholder(len(reduction.constants) + k) for k in range(len(fit.parameters))]
        constants = {**reduction.constants, **dict(zip(own, map(float, fit.parameters), strict=True))}
        functions = fit.functions(reduction.variable, own)
        design = np.stack([evaluated(f, constants, columns) for f in functions], axis=1)
        proposal = linear(
            f"invariant, {reduction.name}",
            functions,
            constants,
            np.sqrt(weights)[:, None] * design / size,
            np.sqrt(weights) * profile / size,
            field.error,
            len(picked),
            lambda profile: wrap(reduction.multiplier * profile + reduction.addend),
        )
        if proposal is not None:
            yield proposal
