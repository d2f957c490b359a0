"""How smooth unknown functions are: the weights of their priors, chosen by the evidence of the measurements.

At fixed fields the rows of an inverse problem depend on its constants c alone: measurements d + D c, priors p_g + P_g c
and others. If the measurements have the variance σ² and the prior g the variance σ²/ρ_g, the likelihood of the data is

    −2 log L = n log q(ρ) + log det H(ρ) − Σ_g rank_g log ρ_g,   q = min_c ‖rows‖²,   H = half the Hessian of ‖rows‖²

(restricted maximum likelihood: Wahba, "Spline models for observational data", §4.8; Wood, J. R. Stat. Soc. B 73 (2011)
3). Its maximum is looked for on a grid of common weights first, and then by the fixed point of every single weight

    ρ_g = (γ_g / ‖p_g + P_g c‖²) · ‖d + D c‖² / (n − tr H⁻¹DᵀD),   γ_g = rank_g − ρ_g tr H⁻¹P_gᵀP_g

(MacKay, Neural Computation 4 (1992) 415). So noise is not fitted, and no noise level has to be given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanpde.marching.system import STIFF, System
from kanpde.marching.tolerances import MISFIT
from kanpde.optim.band import MIN_DAMPING
from kanpde.optim.bordered import BorderedFactor
from kanpde.optim.cgls import conjugate_gradients

GRID = torch.arange(-12.0, 4.01, 0.5, dtype=torch.float64)  # decimal logarithms of common weights
ITERATIONS = 200  # of the fixed point
SETTLED = 1e-3  # change of a weight's logarithm at which it ends
RANGE = (1e-14, 1e6)  # of the weights
FLEXIBLE = 1e-7  # largest weight at first: a curvature of 30 times the function counts as much as the misfit
LARGEST_SHARE = 1e-2  # largest root mean square of measurements' rows, whatever is left of the equation
JITTER = 1e-13  # of the scaled Hessian
LEAST_FREEDOM = 0.5  # least number of measurements beyond the determined constants
NEGLIGIBLE = 1e-8  # factor on the priors without measurements
LEAST_INFLUENCE = 1e-12  # of the constants on the measurements, relative to their columns: there is none at u = 0


def tune(system: System, vector: Tensor, *, flexible: bool = False) -> None:
    """Measure the scales at a vector, those of the priors by what the measurements suggest; without priors do nothing.

    The misfit of the measurements, which is their scale, falls by orders of magnitude on the way. They weigh as much as
    what is left of the equation at these constants, because a coarse mesh is no reason to miss them.

    If `flexible`, the priors have at most the weight `FLEXIBLE`: far from the solution, the linearised rows can't be
    satisfied, and the evidence takes what is left of them for noise.
    """
    priors = [piece for piece in system.pieces if piece.placed.block.kind == "prior"]
    if not priors:
        return
    system.rescale(vector)
    if not any(piece.placed.block.measured for piece in system.pieces):
        return
    linear = system.linearise(vector)
    factor = BorderedFactor(linear, MIN_DAMPING)
    if not factor.solvable:
        return
    fixed = linear.coefficients
    residual = linear.residual + conjugate_gradients(fixed, factor.inner).image
    groups = grouped(system, factor.rest.cpu(), residual.cpu())  # few numbers, in many small operations
    heavier = min(max(float(groups.others[0].norm()) / MISFIT, 1.0), LARGEST_SHARE / MISFIT)
    groups = groups.heavier(heavier)
    weights = evidence_weights(groups)
    weights = weights.clamp(max=FLEXIBLE) if flexible else weights
    scales = iter(weights.rsqrt().tolist())
    for number, piece in enumerate(system.pieces):
        if piece.placed.block.measured:
            system.pieces[number] = replace(piece, scale=piece.scale / heavier)
        elif piece.placed.block.kind == "prior":
            system.pieces[number] = replace(piece, scale=piece.scale * next(scales) / heavier)


def loosen(system: System) -> None:
    """Let priors weigh almost nothing without measurements: they would hide that nothing determines a function."""
    if any(piece.placed.block.measured for piece in system.pieces):
        return
    for number, piece in enumerate(system.pieces):
        if piece.placed.block.kind == "prior":
            system.pieces[number] = replace(piece, scale=piece.scale / NEGLIGIBLE)


def weigh_alike(system: System) -> None:
    """Let the measurements, and a stiff prior, weigh as much as the equation; without priors do nothing.

    That is for the first step from zero, where the fields do not depend on the functions yet.
    """
    if not any(piece.placed.block.kind == "prior" for piece in system.pieces):
        return
    for number, piece in enumerate(system.pieces):
        if piece.placed.block.measured:
            system.pieces[number] = replace(piece, scale=piece.scale * MISFIT)
        elif piece.placed.block.kind == "prior":
            system.pieces[number] = replace(piece, scale=piece.scale * MISFIT / STIFF)


@dataclass(frozen=True)
class Groups:
    """The rows by the constants alone, as pairs of a residual (n,) and a matrix (n, U)."""

    data: tuple[Tensor, Tensor]
    others: tuple[Tensor, Tensor]
    priors: Sequence[tuple[Tensor, Tensor]]

    def heavier(self, factor: float) -> Groups:
        """Return the rows with measurements and priors times a factor."""
        data = (factor * self.data[0], factor * self.data[1])
        return Groups(data, self.others, [(factor * r, factor * m) for r, m in self.priors])


def grouped(system: System, matrix: Tensor, residual: Tensor) -> Groups:
    """Return the rows of a system by their kind."""
    kinds = [
        "data" if piece.placed.block.measured else "prior" if piece.placed.block.kind == "prior" else "others"
        for piece in system.pieces
    ]
    counts = [piece.factors.numel() for piece in system.pieces]
    parts = list(zip(kinds, torch.split(residual, counts), torch.split(matrix, counts), strict=True))

    def together(kind: str) -> tuple[Tensor, Tensor]:
        chosen = [(r, m) for each, r, m in parts if each == kind]
        return torch.cat([r for r, _ in chosen]), torch.cat([m for _, m in chosen])

    return Groups(together("data"), together("others"), [(r, m) for kind, r, m in parts if kind == "prior"])


def evidence_weights(groups: Groups) -> Tensor:
    """Return the weight of every prior's rows relative to the present one; 1 if the measurements say nothing."""
    fit = _Fit(groups)
    if not fit.informative:
        return torch.ones(len(groups.priors), dtype=torch.float64)
    grid = [torch.full((len(groups.priors),), 10.0**each, dtype=torch.float64) for each in GRID.tolist()]
    weights = min(grid, key=fit.evidence)
    for _ in range(ITERATIONS):
        after = fit.updated(weights).clamp(*RANGE)
        change = float((after / weights).log().abs().max())
        weights = after
        if change < SETTLED:
            break
    return weights


class _Fit:
    """The least-squares problem of the constants for any weights of the priors."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        (self._d, self._D), (others, matrix) = groups.data, groups.others
        self._data = self._D.T @ self._D
        self._fixed = self._data + matrix.T @ matrix
        self._right = self._D.T @ self._d + matrix.T @ others
        self._grams = [m.T @ m for _, m in groups.priors]
        self._rights = [m.T @ r for r, m in groups.priors]
        self._ranks = torch.tensor([float(torch.linalg.matrix_rank(g, hermitian=True)) for g in self._grams])
        self._count = len(self._d) - (len(self._right) - float(self._ranks.sum()))

    @property
    def informative(self) -> bool:
        """True if the constants have an influence on the measurements."""
        size = float(self._fixed.diagonal().max()) + sum(float(g.diagonal().max()) for g in self._grams)
        return float(self._data.diagonal().max()) > LEAST_INFLUENCE * size and self._count > 0

    def _solved(self, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the constants' change, H⁻¹ and log det H."""
        hessian = self._fixed + sum(w * g for w, g in zip(weights, self._grams, strict=True))
        right = self._right + sum(w * r for w, r in zip(weights, self._rights, strict=True))
        size = hessian.diagonal().clamp_min(1e-300).sqrt()
        scaled = hessian / size / size[:, None]
        triangle, info = torch.linalg.cholesky_ex(scaled)
        if int(info):
            triangle = torch.linalg.cholesky(scaled + 10 * JITTER * torch.eye(len(size), dtype=torch.float64))
        inverse = torch.cholesky_inverse(triangle) / size / size[:, None]
        return -inverse @ right, inverse, 2 * (triangle.diagonal().log().sum() + size.log().sum())

    def _misfits(self, change: Tensor) -> tuple[Tensor, list[Tensor]]:
        data = (self._d + self._D @ change).square().sum()
        return data, [(r + m @ change).square().sum() for r, m in self.groups.priors]

    def evidence(self, weights: Tensor) -> float:
        """Return −2 log L, up to a constant; infinite if it can't be computed."""
        try:
            change, _, determinant = self._solved(weights)
        except RuntimeError:  # no Cholesky factor
            return math.inf
        data, priors = self._misfits(change)
        whole = data + sum(w * p for w, p in zip(weights, priors, strict=True))
        return float(self._count * whole.clamp_min(1e-300).log() + determinant - (self._ranks * weights.log()).sum())

    def updated(self, weights: Tensor) -> Tensor:
        """Return the weights after one iteration of the fixed point."""
        change, inverse, _ = self._solved(weights)
        data, priors = self._misfits(change)
        freedom = max(len(self._d) - float((inverse * self._data).sum()), LEAST_FREEDOM)
        found = []
        for weight, rank, gram, misfit in zip(weights, self._ranks, self._grams, priors, strict=True):
            well = (rank - weight * (inverse * gram).sum()).clamp_min(1e-6)
            found.append(well / misfit.clamp_min(1e-300) * data / freedom)
        return torch.stack(found)
