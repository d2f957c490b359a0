"""Fields in three coordinates of which two come only as a product or a quotient, as D t in u_t = D u_xx for all D.

If a u_a = ± b u_b, then u depends on a and b only by s = b a^{±1}, and its values at one a are those of v.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import sympy as sp

from kanpde.calculus.expressions import symbols
from kanpde.symbolic.families.proposal import Proposal
from kanpde.symbolic.families.separated import Separation
from kanpde.symbolic.families.similarity import profile_proposals, reductions, threshold
from kanpde.symbolic.structure.atoms import Basis
from kanpde.symbolic.structure.sampled import Sampled

NAMES = {1: "separated in a product of coordinates", -1: "separated in a quotient of coordinates"}
Wrap = Callable[[sp.Expr], sp.Expr]


def joint(field: Sampled, bases: Sequence[Basis]) -> list[Iterator[Proposal]]:
    """Return streams of proposals for the functions v of which the field is one."""
    streams = []
    for sign, reduced, wrap in reduced_fields(field):
        streams.append(Separation(reduced, NAMES[sign], wrap).quick())
        streams += [profile_proposals(reduced, bases, each, wrap) for each in reductions(reduced)]
    return streams


def reduced_fields(field: Sampled) -> Iterator[tuple[int, Sampled, Wrap]]:
    """Yield ±1, v in the other coordinate and s, which is named b, and the map from v(x, b) to v(x, b a^{±1})."""
    if field.dimension != 3:
        return
    names = symbols(field.names)
    for a, b in itertools.combinations(range(3), 2):
        slopes = [field.coordinates[axis] * field.first[axis] for axis in (a, b)]
        size = sum(map(field.norm, slopes))
        for sign in (1, -1):
            if size > 0 and field.norm(slopes[0] - sign * slopes[1]) <= threshold(field) * size:
                by = names[b] * names[a] ** sign
                yield sign, _slice(field, a, b, sign), lambda v, b=b, by=by: v.xreplace({names[b]: by})  # type: ignore[misc]


def _slice(field: Sampled, a: int, b: int, sign: int) -> Sampled:
    """Return v, the field at the a of the largest size, with s as its coordinate b."""
    at = int(np.abs(field.nodes[a]).argmax())
    scale = float(field.nodes[a][at]) ** sign
    kept = [axis for axis in range(3) if axis != a]
    per = {axis: scale if axis == b else 1.0 for axis in kept}
    return Sampled(
        tuple(field.names[axis] for axis in kept),
        tuple(field.nodes[axis] * per[axis] for axis in kept),
        tuple(field.weights[axis] for axis in kept),
        np.take(field.values, at, axis=a),
        tuple(np.take(field.first[axis], at, axis=a) / per[axis] for axis in kept),
        tuple(np.take(field.second[axis], at, axis=a) / per[axis] ** 2 for axis in kept),
        field.error,
    )
