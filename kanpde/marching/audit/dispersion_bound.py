"""The bound of the errors of a linear dispersive system: see `kanpde.symbolic.proof.dispersion`."""

from __future__ import annotations

import functools
import math

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.network.enclosure import Jet
from kanpde.symbolic.proof.dispersion import THEOREM, dispersive, grown, highest, in_space, in_time
from kanpde.symbolic.proof.linear_form import LinearForm
from kanpde.symbolic.proof.maximum_principle import UPWARD


class DispersiveProof:
    """The proof for one solution; its parts are computed once."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self.system = dispersive(enclosed.statement)
        self.fields = range(len(self.system.terms))
        domain = enclosed.problem.domain
        lengths = UPWARD * (domain.high - domain.low)
        self.duration, self.length = float(lengths[self.system.time]), float(lengths[self.system.space])

    @functools.cached_property
    def jets(self) -> list[Jet]:
        time, space = self.system.time, self.system.space
        partials: list[MultiIndex] = [(time, time), tuple(sorted((space, space, time)))]
        return self.enclosed.full_jets(self.enclosed.cells, partials)

    def residual(self, field: int, order: int) -> float:
        """Return a bound of what the network leaves of a row, or of its derivative in time."""
        time, enclosed = self.system.time, self.enclosed
        source = sp.diff(self.system.sources[field], enclosed.statement.coordinates[time], order)
        found = enclosed.of_coordinates(source if order else self.system.sources[field], enclosed.cells)
        for (other, partial), factor in self.system.terms[field].items():
            model = self.jets[other][tuple(sorted((*partial, *(time,) * order)))]
            found = found + enclosed.of_coordinates(factor, enclosed.cells) * model
        return float(found.close_bound.max())

    def norm(self, sizes: Array) -> float:
        """Return a bound of the norm in L² of fields with these largest values."""
        return UPWARD * math.sqrt(self.length * UPWARD * float((np.asarray(sizes) ** 2).sum()))

    def _at_ends(self, order: int) -> Array:
        """Return bounds (n,) of the errors at the ends, or of their derivatives in time."""
        found = np.zeros(len(self.fields))
        for field, form, size in self.system.values:
            own = in_time(form, self.enclosed.statement, self.system.time, order)
            found[field] = max(found[field], UPWARD * self.enclosed.mismatch_of_form(own) / size)
        return found

    def _at_first(self, forms: list[LinearForm]) -> Array:
        sizes = [abs(float(self.system.starts[field].weights[field, ()])) for field in self.fields]
        return np.array([UPWARD * self.enclosed.mismatch_of_form(f) / s for f, s in zip(forms, sizes, strict=True)])

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the errors of all fields of the exact network, and the lines of the proof."""
        system, statement = self.system, self.enclosed.statement
        starts = [system.starts[field] for field in self.fields]
        first, bends = self._at_first(starts), self._at_first([in_space(f, statement, system.space) for f in starts])
        ends = [self._at_ends(order) for order in range(3)]
        rows, rates = ([self.residual(field, order) for field in self.fields] for order in range(2))
        # The residual and its derivative in time, with what the line between the ends adds.
        source, faster = (
            system.mass * self.norm(np.array(each))
            + self.norm(ends[order + 1])
            + system.reaction * self.norm(ends[order])
            for order, each in enumerate((rows, rates))
        )
        factor = grown(system.growth, self.duration)
        start = self.norm(first) + self.norm(ends[0])
        size = UPWARD * factor * (start + UPWARD * self.duration * source)
        rate = system.dispersion * self.norm(bends) + system.reaction * start + source
        rate = UPWARD * factor * (UPWARD * rate + UPWARD * self.duration * faster)
        bend = UPWARD * system.inverse * (rate + system.reaction * size + source)
        found = UPWARD * (float(ends[0].max()) + UPWARD * highest(size, bend))
        bends_and_rates = f"{up(float(bends.max()))} and {up(float(max(ends[1].max(), ends[2].max())))}"
        return found, [
            *(
                f"|{name} − prescribed values| ≤ {up(float(max(first[k], ends[0][k])))}"
                for k, name in enumerate(self.enclosed.problem.fields)
            ),
            f"their derivatives, two in space at first and one or two in time at the ends, differ by {bends_and_rates}",
            f"|residual| ≤ {up(max(rows))} and its derivative in time ≤ {up(max(rates))} on {self.enclosed.counts} "
            "cells, by Taylor models",
            f"the norms of the error and of its derivative in time are at most {up(size)} and {up(rate)}, by {THEOREM}",
            f"the errors are at most {up(found)}",
        ]
