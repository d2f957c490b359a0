"""A number that the error of a network is proved not to exceed, with the lines of the proof.

The network is a polynomial on every knot cell. Taylor models enclose what it leaves of the equation on each cell and of
the conditions on each face, and a theorem turns both into a bound of the error: see `kanpde.symbolic.proof`, where
`maximum_principle`, `comparison` and `representation` hold one each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from kanpde.calculus.devices import one_thread
from kanpde.calculus.precision import DOUBLE, PAIRS, Numbers, working_with
from kanpde.calculus.taylor_models import NotEnclosed
from kanpde.errors import KanpdeError
from kanpde.geometry.box import as_box
from kanpde.marching.audit.barrier_bound import BarrierProof
from kanpde.marching.audit.companion import companion_of
from kanpde.marching.audit.continuation import Amplified, up
from kanpde.marching.audit.dispersion_bound import DispersiveProof
from kanpde.marching.audit.eigenvalue_bound import EigenvalueProof
from kanpde.marching.audit.elliptic_bound import EllipticProof
from kanpde.marching.audit.enclosed import EACH, MOST_COEFFICIENTS, Enclosed
from kanpde.marching.audit.maximum_bound import MaximumProof
from kanpde.marching.audit.ordinary_bound import OrdinaryProof
from kanpde.marching.audit.parabolic_bound import ParabolicProof
from kanpde.marching.audit.shape_bound import ShapeProof
from kanpde.marching.audit.space_wave_bound import SpaceWaveProof
from kanpde.marching.audit.spectral_bound import SpectralProof
from kanpde.marching.audit.system_bound import SystemProof
from kanpde.marching.audit.wave_bound import WaveProof
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import TimeLimit, time_limit
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.ordinary import is_ordinary
from kanpde.symbolic.proof.row import row_of

SECONDS = 9.0  # after which a proof is given up, so that all of it takes ten, with the array operation that runs then

FAR, CLOSE = 100.0, 1e-10  # a bound of more companions than that is tried on other cells, unless it is close
MOST_PAIRED = 100_000  # coefficients on all cells, up to which they are pairs at once
MOST_REFINED = 2_000_000  # the same for a second proof with pairs after one with numbers of 53 bits
MOST_AT_ONCE = 1_000_000  # coefficients on all cells, up to which the solution itself is enclosed first

TOO_LONG = f"the proof takes more than {SECONDS:.0f} seconds"

Bound = tuple[float | None, tuple[str, ...]]


class Proof(Protocol):
    """A proof by one theorem."""

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof; raise NoTheorem if none."""


Theorem = Callable[[Enclosed], Proof]


@one_thread()
def error_bound(
    problem: Problem,
    model: Model,
    seconds: float | None = None,
    numbers: Numbers | None = None,
    memory: float = math.inf,
) -> Bound:
    """Return a bound of max |u − u*| for the model u and the lines of its proof, or None and the reason.

    A proof is given up after `seconds`, nine by default, and not tried if it needs more `memory`, in bytes. It is made
    with `numbers`, pairs if none are chosen; where the cells are many, with 53 bits first, and very many with these
    alone.
    """
    found: list[tuple[float, tuple[str, ...]]] = []
    try:
        with time_limit(SECONDS if seconds is None else seconds), np.errstate(all="ignore"):
            found.extend(_proved(Enclosed(problem, model, min(MOST_COEFFICIENTS, memory / EACH)), numbers))
    except (NoTheorem, NotEnclosed) as error:
        reason = str(error)
    except TimeLimit:
        reason = TOO_LONG
    except KanpdeError as error:
        reason = f"the problem cannot be read as a formula: {' '.join(str(error).split())}"
    except Exception as error:  # a proof that fails must not cost the run its solution
        late = isinstance(error.__cause__ or error.__context__, TimeLimit)
        reason = f"the proof was stopped by {type(error).__name__}: {' '.join(str(error).split())}"
        reason = TOO_LONG if late else reason
    return min(found) if found else (None, (reason,))


def _proved(enclosed: Enclosed, numbers: Numbers | None) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield the bounds by the theorems that apply, of functions near the solution with their companions, if any."""
    best, closest, proofs, reasons = math.inf, enclosed, None, []
    for near in _near(enclosed):
        try:
            with working_with(numbers or _numbers_of(near)):
                proofs = proofs or _applicable(near)
                companion = companion_of(near, still=SpaceWaveProof in proofs)
                better = near if companion is None else near.with_added(companion)
                for each in _bounds(better, proofs):
                    best, closest = min((best, closest), (each[0], better), key=lambda pair: pair[0])
                    yield each
        except (NoTheorem, NotEnclosed) as error:
            if proofs is None or isinstance(error, Amplified):
                raise
            reasons.append(error)  # a companion is no better where the splines do not resolve the solution
            continue
        # On fewer knots a companion is as large as what these leave out, not as the error.
        if best <= max(0.0 if near.displaced else FAR * better.moved, CLOSE):
            break
    if best == math.inf:
        try:
            with working_with(numbers or _numbers_of(enclosed)):
                yield from _bounds(enclosed, proofs or _applicable(enclosed))
        except NotEnclosed as error:
            raise reasons[0] if reasons else error from None
    elif numbers is None and MOST_PAIRED < closest.size <= MOST_REFINED:
        with working_with(PAIRS):
            yield from _bounds(closest, proofs or [])


def _numbers_of(enclosed: Enclosed) -> Numbers:
    """Return the numbers with which a solution is enclosed if no others are chosen."""
    return PAIRS if enclosed.size <= MOST_PAIRED else DOUBLE


def _near(enclosed: Enclosed) -> Iterator[Enclosed]:
    """Yield functions near a solution, on cells of their own, until one has a close bound."""
    if enclosed.size > MOST_AT_ONCE:
        yield from enclosed.coarser()
    yield enclosed
    finer = enclosed.finer()
    if finer is not None:
        yield finer


def _applicable(enclosed: Enclosed) -> list[Theorem]:
    """Return the proofs by theorems that apply; raise the reason of the theorem that fits best if there are none."""
    found: list[Theorem] = []
    reasons: list[NoTheorem] = []
    for proof in _proofs(enclosed):
        try:
            proof(enclosed)
            found.append(proof)
        except NoTheorem as error:
            reasons.append(error)
    if not found:
        raise reasons[-1]
    return found


def _bounds(
    enclosed: Enclosed, proofs: Sequence[Callable[[Enclosed], Proof]]
) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield the bounds by proofs; raise the reason of the last one if there are none."""
    reasons: list[NoTheorem] = []
    count = 0
    for proof in proofs:
        if count and proof not in QUICK:
            break
        try:
            bound, lines = proof(enclosed).bound()
        except NoTheorem as error:
            reasons.append(error)
            continue
        moved, rounding = enclosed.moved, enclosed.rounding
        total = float((bound + moved + enclosed.apart + rounding) * (1 + 1e-12))
        if not math.isfinite(total):
            raise NotEnclosed("the enclosures are not finite")
        count += 1
        before = (*near_lines(enclosed.apart), *companion_lines(moved))
        yield total, (*before, *lines, *rounding_lines(enclosed.returned, rounding, total))
    if not count:
        raise reasons[-1]


def _proofs(enclosed: Enclosed) -> list[Theorem]:
    """Return the proofs that may apply: those of evolution equations follow time."""
    if as_box(enclosed.problem.domain) is None:
        return [ShapeProof]
    if is_ordinary(enclosed.problem):
        return [MaximumProof, OrdinaryProof]
    if enclosed.problem.unknowns:
        return [EigenvalueProof]
    if len(enclosed.problem.fields) > 1:
        return [DispersiveProof, SystemProof]
    time, row = enclosed.problem.domain.time, row_of(enclosed.statement)
    if time is None:
        return [SpectralProof, MaximumProof, BarrierProof, EllipticProof]
    if (time, time) in row.symbols:
        return [WaveProof] if enclosed.problem.domain.dimension < 3 else [WaveProof, SpaceWaveProof]
    return [MaximumProof, ParabolicProof]


def near_lines(apart: float) -> list[str]:
    """Return the first line of the proof if the function is on fewer knots."""
    return [f"u and splines on fewer knots, which are meant below, differ by at most {up(apart)}"] if apart else []


def companion_lines(moved: float) -> list[str]:
    """Return the first lines of the proof, about what is added to the network."""
    return [f"u and its companion, which is meant below, differ by at most {up(moved)}"] if moved else []


def rounding_lines(network: KAN, rounding: float, total: float) -> list[str]:
    """Return the last lines of the proof, about the values that the solution returns."""
    dtype = str(network.first.coefficients.dtype).removeprefix("torch.")
    return [f"values of u are computed in {dtype} with an error of at most {up(rounding)}", f"in total ≤ {up(total)}"]


QUICK: tuple[Theorem, ...] = (
    SpectralProof,
    MaximumProof,
    OrdinaryProof,
)  # of which the best one counts
