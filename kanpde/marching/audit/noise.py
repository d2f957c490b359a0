"""The noise of measurements, estimated from their misfit, and the spread that it gives a solution and its constants.

With rows J p + r that are noisy only in blocks b of measurements, of standard deviation s_b, the estimate has
the covariance

    A⁻¹ (Σ_b s_b² J_bᵀ J_b) A⁻¹,  A = JᵀJ,  s_b² = ‖r_b‖² / (n_b − tr J_b A⁻¹ J_bᵀ)

(Seber and Wild, "Nonlinear Regression", §2.1). The rows of the priors of unknown functions have the variance of the
measurements, because that is how their weights were chosen; then the covariance is s² A⁻¹, Bayes's, which also counts
what the prior hides (Wahba, J. R. Stat. Soc. B 45 (1983) 133). The spread of the fields and the traces are means over
random draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.marching.linearisation import TensorLinearisation
from kanpde.marching.piece import Piece
from kanpde.marching.system import System
from kanpde.optim.bordered import AnyFactor
from kanpde.optim.cgls import conjugate_gradients

DRAWS = 16  # number of random draws; the spread's own relative error is about 1 / √(2 · draws)

MOST_UNITS = 32  # largest number of measurements for which unit vectors are used instead, without randomness
LEAST_FREEDOM = 0.5  # least number of measurements beyond the determined unknowns from which the noise is estimated


@dataclass(frozen=True)
class Noise:
    """What the noise of measurements leaves open: standard deviations.

    `spread` is that of the fields, as a root mean square over the domain and the fields, and `constants` has those of
    the unknown constants, infinite if there are no more measurements than they determine unknowns. `covariance` (U, U)
    is that of the constants.
    """

    spread: float
    constants: Mapping[str, float]
    covariance: Tensor

    @property
    def known(self) -> set[str]:
        """The names of the constants with a finite standard deviation."""
        return {name for name, deviation in self.constants.items() if math.isfinite(deviation)}

    def beside(self, errors: Mapping[str, float]) -> Noise:
        """Return the noise with other errors of the constants added to their standard deviations."""
        both = {name: math.hypot(each, errors.get(name, 0.0)) for name, each in self.constants.items()}
        return replace(self, constants=both)


def noise_of(system: System, linear: TensorLinearisation, factor: AnyFactor, after: Tensor) -> Noise | None:
    """Return the noise of a system's measurements, whose rows at the solution are `after`; None without measurements.

    `linear` are the rows linearised near the solution, with their factor.
    """
    blocks = measurements(system)
    if not blocks:
        return None
    interiors = system.interiors(JetPlan(system.domain.dimension, [()]))
    units = constants_of(system, after)
    influences = torch.stack([linear.product(factor.solve(unit)) for unit in units]) if len(units) else units
    spread, covariance, lowest = 0.0, after.new_zeros(len(units), len(units)), math.inf
    for block in blocks:
        squares, trace = 0.0, 0.0
        for drawn in draws(block, after):
            found = conjugate_gradients(linear.against(-drawn), factor)
            trace += float(drawn @ found.image)
            with torch.no_grad():
                coefficients = system.split(found.step)[0]
                for image, share, own in interiors:
                    squares += float((share @ (own * image.own_jets(coefficients)[:, 0]).square()).sum())
        freedom = block.stop - block.start - trace
        known = freedom > LEAST_FREEDOM
        variance = float(after[block].square().sum()) / freedom if known else math.inf
        spread += variance * squares if known else 0.0
        lowest = min(lowest, variance)
        covariance = covariance + outer(influences, block, variance)
    for block in blocks_of(system, lambda piece: piece.placed.block.kind == "prior"):
        covariance = covariance + outer(influences, block, lowest)
    deviations = covariance.diagonal().sqrt().tolist()
    return Noise(math.sqrt(spread), dict(zip(system.unknowns, deviations, strict=True)), covariance)


def outer(influences: Tensor, block: slice, variance: float) -> Tensor:
    """Return the covariance (U, U) of the constants by one block's rows; infinite variances where it is unknown."""
    own = influences[:, block]
    return variance * (own @ own.T) if math.isfinite(variance) else torch.diag(math.inf * torch.ones(len(own)).to(own))


def draws(block: slice, like: Tensor) -> Iterator[Tensor]:
    """Yield vectors (N,) whose outer products sum to the identity on a block's rows, or do so on average."""
    count = block.stop - block.start
    few = count <= MOST_UNITS
    generator = torch.Generator().manual_seed(0)
    for number in range(count if few else DRAWS):
        drawn = torch.zeros_like(like)
        if few:
            drawn[block.start + number] = 1.0
        else:
            drawn[block] = torch.randn(count, generator=generator, dtype=like.dtype).to(like) / math.sqrt(DRAWS)
        yield drawn


def measurements(system: System) -> list[slice]:
    """Return the rows of every block of measurements."""
    return blocks_of(system, lambda piece: piece.placed.block.measured)


def blocks_of(system: System, chosen: Callable[[Piece], bool]) -> list[slice]:
    """Return the rows of every block of the chosen ones."""
    found, start = [], 0
    for piece in system.pieces:
        stop = start + piece.factors.numel()
        if chosen(piece):
            found.append(slice(start, stop))
        start = stop
    return found


def constants_of(system: System, like: Tensor) -> Tensor:
    """Return the unit vectors (U, P) of the unknown constants."""
    count = len(system.unknowns)
    units = like.new_zeros(count, system.size)
    units[:, system.size - count :] = torch.eye(count).to(like)
    return units
