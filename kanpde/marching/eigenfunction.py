"""The initial guess of an eigenvalue problem, which the field zero would solve but for the condition that normalises.

With A(z) the equation and its conditions at the starting values z of the unknown constants, the field is the u that
minimises ‖A(z) u‖ / ‖u‖. For a symmetric operator it belongs to the eigenvalue nearest to z. It is found by inverse
iteration, (AᵀA) u_{k+1} = M u_k (Ipsen, SIAM Rev. 39 (1997) 254); then z minimises ‖A(z) u‖, a Rayleigh quotient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.geometry.domain import Section
from kanpde.marching.piece import Piece
from kanpde.marching.system import System
from kanpde.optim.band import Factor
from kanpde.optim.bordered import first_solvable, function_factor
from kanpde.optim.orthogonal import OrthogonalFactor

ITERATIONS = 20  # of the inverse iteration
DAMPINGS = (1e-15, 1e-13, 1e-11, 1e-9)  # of the factor; the first one with which it exists is used
ALIKE = 1e-6  # relative difference of rows, and relative size of a mean, that are round-off of a start
HEAVY = (
    1e3  # weight of conditions relative to the equation, so that the eigenvalue is that of fields which satisfy them
)


def eigenfunction(system: System, vector: Tensor, guess: Tensor | None = None) -> Tensor | None:
    """Return a start near the eigenvalue nearest to the unknown constants of `vector`; None for other problems.

    The coefficients of a guess (P fields,) choose another eigenvalue, and the eigenfunction among several of one.
    """
    zero = vector.clone()
    zero[: system.size - len(system.unknowns)] = 0.0
    if not system.unknowns or not is_eigenproblem(system, zero):
        return None
    homogeneous = [piece.placed.block for piece in system.pieces if vanishes(system, piece, zero)]
    operator = System(
        system.space,
        system.domain,
        homogeneous,
        system.fields,
        ansatz=system.ansatz,
        unknowns=system.unknowns,
        device=zero.device,
    )
    if guess is not None:
        weigh(operator, zero)
        zero[len(guess) :] = at_quotient(operator, torch.cat([guess, zero[len(guess) :]]))[len(guess) :]
    weigh(operator, zero)
    linear = operator.linearise(zero).coefficients
    factor = first_solvable(function_factor(linear, damping) for damping in DAMPINGS)
    if factor is None:
        return None
    found = zero.clone()
    found[: len(zero) - len(system.unknowns)] = smallest(operator, factor, guess)
    start = normalised(system, at_quotient(operator, found))
    return start if guess is not None else with_sign(system, start)


def with_sign(system: System, vector: Tensor) -> Tensor:
    """Return a field or its negative: that with a positive mean, if the rows of both are as large.

    The integral of u² that normalises, for example, leaves the sign open. A field whose mean vanishes is kept.
    """
    count = len(vector) - len(system.unknowns)
    other = torch.cat([-vector[:count], vector[count:]])
    here, there = (float(system.residual(each).norm()) for each in (vector, other))
    if not abs(here - there) <= ALIKE * max(here, there):
        return vector
    coefficients, _ = system.split(vector)
    total, size = 0.0, 0.0
    for image, share, own in system.interiors(JetPlan(system.domain.dimension, [()])):
        values = share[:, None] * own * image.own_jets(coefficients)[:, 0]
        total, size = total + float(values.sum()), size + float(values.abs().sum())
    return other if total < -ALIKE * size else vector


def vanishes(system: System, piece: Piece, zero: Tensor) -> bool:
    """Return True if the rows of a block are zero at the fields zero."""
    with torch.no_grad():
        return not bool(piece.rows(system.at(zero)).any())


def is_eigenproblem(system: System, zero: Tensor) -> bool:
    """Return True if only integrals and values at points are not zero at the fields zero, and at least one is not."""
    normalising = [piece.placed.block for piece in system.pieces if not vanishes(system, piece, zero)]
    inside = [b.integrated or (b.faces and all(isinstance(face, Section) for face in b.faces)) for b in normalising]
    return bool(inside) and all(inside)


def weigh(operator: System, zero: Tensor) -> None:
    """Scale the rows of conditions to a multiple of the equation's, whose own rows are not scaled."""
    widths = zero.new_tensor((operator.domain.high - operator.domain.low).tolist())
    sizes = []
    for piece in operator.pieces:
        with torch.no_grad():
            jets = [operator.at(zero).jets(image) for image in piece.images]
        slopes = [slope.by_jets[0] for slope in piece.placed.slopes(jets, operator.at(zero).unknowns)[1]]
        spans = torch.stack([widths[list(partial)].prod() for partial in piece.placed.plan.partials])
        each = [(size.abs().mean(0) / spans[:, None]).sum() for size in piece.placed.sizes(slopes)]
        sizes.append(torch.stack(each))
    equation = sizes[0].max()
    operator.scale([torch.ones_like(sizes[0]), *(size.clamp_min(1e-300) / (HEAVY * equation) for size in sizes[1:])])


def smallest(operator: System, factor: Factor | OrthogonalFactor, start: Tensor | None = None) -> Tensor:
    """Return the coefficients of the field that the operator makes smallest; by an iteration from `start`."""
    interiors, fields = operator.interiors(JetPlan(operator.domain.dimension, [()])), len(operator.fields)
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(operator.space.size * fields, generator=generator, dtype=torch.float64).to(interiors[0][1])
    v = v if start is None else start
    for _ in range(ITERATIONS):
        total, square = torch.zeros_like(v), 0.0
        for image, share, own in interiors:
            with torch.no_grad():
                values = own * image.own_jets(v.view(-1, fields))[:, 0]
            weighted = share[:, None] * values
            square += float((weighted * values).sum())
            total += image.adjoint(weighted[:, None]).reshape(-1)
        v = factor.solve(total / math.sqrt(square))
    return v


def at_quotient(operator: System, vector: Tensor) -> Tensor:
    """Return the vector with the constants that make the operator smallest at its field."""
    linear, count = operator.linearise(vector), len(operator.unknowns)
    change = torch.linalg.lstsq(linear.border, -linear.residual[:, None]).solution[:, 0]
    return torch.cat([vector[: len(vector) - count], vector[len(vector) - count :] + change])


def normalised(system: System, vector: Tensor) -> Tensor:
    """Return the vector with its field times the factor that satisfies the conditions which normalise.

    At s u their rows are s^p f - c for a number p, 1 for a value and 2 for an integral of u². The field has to be about
    1 inside, where its coefficients on a shape may be far larger, for f to be more than the round-off of c.
    """
    count = len(vector) - len(system.unknowns)
    coefficients, _ = system.split(vector)
    inside = system.interiors(JetPlan(system.domain.dimension, [()]))
    size = torch.stack([(own * image.own_jets(coefficients)[:, 0]).abs().max() for image, _, own in inside]).max()
    if not size > 0:
        return vector
    vector = torch.cat([vector[:count] / size, vector[count:]])

    def rows(factor: float) -> Tensor:
        return system.residual(torch.cat([factor * vector[:count], vector[count:]]))

    pieces = [piece.factors.numel() for piece in system.pieces]
    c = -rows(0.0)
    once, twice = rows(1.0) + c, rows(2.0) + c
    where = torch.cat([(part != 0).any().expand(len(part)) for part in torch.split(c, pieces)])
    c, once, twice = c[where], once[where], twice[where]
    power = float((twice.norm() / once.norm()).log2())
    ratio = float(c @ once / (once @ once))
    if not (power > 0 and ratio != 0):
        return vector
    factor = abs(ratio) ** (1 / power) * (1.0 if ratio > 0 else -1.0)
    return torch.cat([factor * vector[:count], vector[count:]])
