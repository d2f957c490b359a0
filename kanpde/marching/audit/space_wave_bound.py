"""The bound of the error of a wave in two or three dimensions: see `kanpde.symbolic.proof.spherical_means`."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import sympy as sp

from kanpde.calculus.arrays import MultiIndex
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.wave_bound import WaveProof
from kanpde.symbolic.proof.maximum_principle import UPWARD
from kanpde.symbolic.proof.row import row_of
from kanpde.symbolic.proof.spherical_means import THEOREM, space_wave_of


class SpaceWaveProof(WaveProof):
    """The proof for one solution; its parts are computed once."""

    theorem = THEOREM

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self._known: dict[MultiIndex, float] = {}
        self.wave, self.faces = space_wave_of(enclosed.statement, row_of(enclosed.statement))

    @functools.cached_property
    def data(self) -> list[tuple[str, float, float]]:
        """What is known of the error on faces: a line, its bound, and how much of it arrives."""
        enclosed, wave, duration = self.enclosed, self.wave, self.duration
        reach = UPWARD * duration * math.sqrt(float(wave.stiffness / wave.inertia))
        velocity = enclosed.mismatch_of_derivatives(wave.velocity, {(wave.time,): sp.S.One})
        slopes = [enclosed.mismatch_along(wave.start, (axis,)) for axis in self.faces]
        return [
            (f"|u − prescribed values| ≤ {{}} for {wave.start.title}", enclosed.mismatch(wave.start), 1.0),
            (f"|u_t − prescribed velocity| ≤ {{}} for {wave.velocity.title}", velocity, duration),
            (f"its slopes differ by at most {{}} for {wave.start.title}", UPWARD * math.hypot(*slopes), reach),
            *self._at_faces(reach),
        ]

    def _at_faces(self, reach: float) -> Iterator[tuple[str, float, float]]:
        """Yield what the interpolation ℓ of the errors on faces adds."""
        time, count = self.wave.time, 2 ** len(self.faces) - 1
        others = count // 2  # the terms of ℓ without one axis
        domain, square = self.enclosed.problem.domain, float(self.wave.stiffness / self.wave.inertia) * UPWARD
        values = count * self._on_faces(())
        yield "|u − prescribed values| ≤ {} on the faces, times the terms of an interpolation", values, 2.0
        yield "its rate there is at most {}", count * self._on_faces((time,)), self.duration
        slopes, bends = [], count * self._on_faces((time, time))
        for axis in self.faces:
            length = float(domain.high[axis] - domain.low[axis])
            slopes.append((others + 1) * 2 * self._on_faces(()) / length + others * self._on_faces((axis,)))
            bends += others * square * self._on_faces((axis, axis))
        yield "its slopes there are at most {}", UPWARD * math.hypot(*slopes), reach
        yield "its source there is at most {}", UPWARD * bends, UPWARD * self.duration**2 / 2

    def _on_faces(self, partial: MultiIndex) -> float:
        """Return a bound of a derivative of the errors on all faces along which it goes."""
        if partial not in self._known:
            faces = [face for axis, pair in self.faces.items() if axis not in partial for face in pair]
            self._known[partial] = UPWARD * max(self.enclosed.mismatch_along(face, partial) for face in faces)
        return self._known[partial]
