"""Two travelling waves, u = F(x - c t) + G(x + c t): d'Alembert's solution of u_tt = c² u_xx.

F' = (u_x - u_t / c) / 2 and G' = (u_x + u_t / c) / 2 follow from the derivatives; F and G are their integrals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev

from kanpde.calculus.expressions import symbols
from kanpde.symbolic.families.proposal import Constants, Proposal, evaluated, linear, placeholder
from kanpde.symbolic.families.similarity import threshold
from kanpde.symbolic.structure.atoms import Basis
from kanpde.symbolic.structure.sampled import Sampled
from kanpde.symbolic.structure.span_search import alone, ranked
from kanpde.symbolic.structure.variable_projection import Fit, Target

# Points of a fit, the degree of the Chebyshev series of F' and G', and the number of fits kept for each wave.
POINTS, DEGREE, KEPT = 600, 80, 3


def speed(field: Sampled) -> float | None:
    """Return c if u_tt = c² u_xx within the error, else None."""
    if field.dimension != 2:
        return None
    root = np.sqrt(field.weight)
    columns = np.stack([(root * part).ravel() for part in field.second], axis=1)
    scale = np.linalg.norm(columns, axis=0)
    if not (np.isfinite(scale) & (scale > 1e-6 * field.norm())).all():
        return None
    _, sizes, right = np.linalg.svd(columns / scale, full_matrices=False)
    null = right[-1] / scale
    square = -null[0] / null[1]
    return float(np.sqrt(square)) if sizes[1] <= threshold(field) * sizes[0] and square > 0 else None


def two_waves(field: Sampled, bases: Sequence[Basis]) -> Iterator[Proposal]:
    """Yield proposals with fitted F and G if the field solves a wave equation."""
    c = speed(field)
    if c is None:
        return
    picked = np.random.default_rng(0).permutation(field.values.size)[:POINTS]
    (x, t), (u_x, u_t) = field.coordinates, field.first
    profiles = []
    for sign in (-1, 1):
        variable, slope = x + sign * c * t, (u_x + sign * u_t / c) / 2
        whole = Chebyshev.fit(variable.ravel(), slope.ravel(), DEGREE).integ()(variable)
        target = Target.of(variable.ravel()[picked], whole.ravel()[picked, None], field.weight.ravel()[picked])
        if not float((target.root * target.values).norm()) > 0:
            return
        profiles.append(ranked(alone(target, bases), POINTS, field.error, KEPT))
    for right, left in sorted(itertools.product(*profiles), key=lambda fits: fits[0].misfit + fits[1].misfit):
        found = _together(field, picked, c, right, left)
        if found is not None:
            yield found


def _together(field: Sampled, picked: npt.NDArray[np.int64], c: float, right: Fit, left: Fit) -> Proposal | None:
    """Return the sum of functions from both spans that elimination keeps; both waves share the speed."""
    x, t = symbols(field.names)
    velocity = placeholder(0)
    constants: Constants = {velocity: c}
    functions = []
    for fit, sign in ((right, -1), (left, 1)):
        own = [placeholder(len(constants) + k) for k in range(len(fit.parameters))]
        constants.update(zip(own, map(float, fit.parameters), strict=True))
        functions += fit.functions(x + sign * velocity * t, own)
    columns = {n: column.ravel()[picked] for n, column in zip(field.names, field.coordinates, strict=True)}
    terms = list(dict.fromkeys(functions))
    root = np.sqrt(field.weight.ravel()[picked])
    target = root * field.values.ravel()[picked]
    size = max(float(np.linalg.norm(target)), 1e-300)
    design = np.stack([evaluated(term, constants, columns) for term in terms], axis=1)
    return linear("two waves", terms, constants, root[:, None] * design / size, target / size, field.error, len(picked))
