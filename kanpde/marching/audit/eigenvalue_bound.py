"""The bound of the error of an eigenfunction and of its eigenvalue: see `kanpde.symbolic.proof.eigenvalues`."""

from __future__ import annotations

import math

import numpy as np

from kanpde.marching.audit.companion import Companion
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.spectral_bound import SpectralProof
from kanpde.symbolic.proof.eigenvalues import KNOWN, THEOREM, eigen_problem, gap_of, unknown_name
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem


class EigenvalueProof(SpectralProof):
    """The proof for one solution; its parts are computed once."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        if len(enclosed.statement.unknowns) != 1:
            raise NoTheorem(KNOWN)
        self.name = unknown_name(enclosed.statement)
        self.found = enclosed.model.unknowns[self.name].item()
        self.value = enclosed.added.constants[self.name] if isinstance(enclosed.added, Companion) else self.found
        self.problem = eigen_problem(enclosed.statement, self.value)
        self.operator = self.problem.operator

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        operator, norm, volume = self.operator, self.norm, UPWARD * self.operator.volume
        values = {form.equation.title: self.enclosed.mismatch_of_form(form) for form in operator.values}
        faces, missing, amount = max(values.values()), self._missing(), abs(self.problem.amount)
        size = UPWARD * (norm + abs(operator.reaction) * faces * math.sqrt(volume))
        least = (amount - missing) / math.sqrt(volume) / UPWARD - UPWARD * faces * math.sqrt(volume)
        if not least > 0:
            raise NoTheorem("the integral of the eigenfunction is not known closely enough")
        gap = gap_of(operator, UPWARD * size / least)
        near = UPWARD * (faces + gap.sum_ * size)
        changed = UPWARD * (missing + volume * near)
        if not changed < amount:
            raise NoTheorem("the integral of the eigenfunction is not known closely enough")
        highest = float(self.enclosed.full_jet(self.enclosed.cells, [()])[()].close_bound.max())
        found = UPWARD * (near + UPWARD * (highest + near) * changed / (amount - changed))
        distance = UPWARD * (gap.distance / self.problem.rate + UPWARD * abs(self.value - self.found))
        return found, [
            *(f"|u − prescribed values| ≤ {up(each)} for {title}" for title, each in values.items()),
            f"|∫ u − its prescribed value| ≤ {up(missing)}",
            f"the mean square of the residual has the root {up(norm / math.sqrt(operator.volume))}, by Taylor models",
            f"|{self.name} − {self.name}*| ≤ {up(distance)}, and no other eigenvalue is as close, by {THEOREM}",
            f"|u − u*| ≤ {up(found)}",
        ]

    def _missing(self) -> float:
        """Return a bound of what the integral of the solution misses."""
        means, errors = self.enclosed.full_jet(self.enclosed.cells, [()])[()].mean
        found, lost = self.enclosed.spread(means), self.enclosed.spread(errors + 16 * 2.0**-53 * np.abs(means))
        size = UPWARD * np.abs(found)
        for low, high in reversed(self.enclosed.cells):
            found, lost, size = found @ (high - low), lost @ (UPWARD * (high - low)), size @ (UPWARD * (high - low))
        rounding = 4 * sum(len(low) for low, _ in self.enclosed.cells) * 2.0**-53 * float(size)
        return UPWARD * (abs(float(found) - self.problem.amount) + UPWARD * float(lost) + UPWARD * rounding)
