"""The weakest direction of a linearised problem: the change of the solution that its rows notice least.

If J v = 0 for a function v, then u + c v solves the problem as well as u does: a condition is missing. If J v is tiny
but not zero, then small errors of the rows, such as rounding errors, become large errors of the solution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.marching.system import System
from kanpde.optim.band import MAX_ORTHOGONAL
from kanpde.optim.bordered import AnyFactor, BorderedLinearisation, factor_of, first_solvable

ITERATIONS = 6  # of the inverse power iteration; a few suffice, because the smallest eigenvalue of interest is isolated
TOGETHER, FEW = 4, 3  # directions of that iteration with a factor that is not precise, and its iterations
DAMPINGS = (1e-15, 1e-13, 1e-11, 1e-9)  # of the factor; the first one with which it exists is used
LARGEST_DAMPING = 1e-12  # of a factor that is used instead of a new one; the direction sinks in a larger one
INSIDE = 1e-6  # squared size inside a shape, relative to the largest, below which a direction lives outside
ROUND_OFF = 2.0**-50  # relative change of a coefficient, and of the rows' derivatives, that rounding may make
LEVEL = 1e-3  # deviation from its mean, relative to it, below which a direction is a constant


@dataclass(frozen=True)
class Direction:
    """A change v of the solution: `noticed` is ‖J v‖ ‖u‖ / ‖v‖, the rows' relative change by a change as large as u.

    `constant` is True if v is a constant function of one field. `unknown` is the name of the unknown constant that v
    changes most, relative to its size, more than the fields; None if there is none. `field` is the name of the field
    that v changes most. `resolved` is True if rows on finer splines notice it as much.
    """

    noticed: float
    constant: bool
    field: str
    unknown: str | None
    resolved: bool = False


DETERMINED = Direction(noticed=1.0, constant=False, field="", unknown=None)  # of rows that notice everything


def weakest_direction(
    system: System, vector: Tensor, linear: BorderedLinearisation, factor: AnyFactor | None = None
) -> Direction | None:
    """Return the direction of a system linearised at a vector; the factor of JᵀJ is made here if it is None.

    The result is None if there is no factor, that is if the rows' derivatives are not finite.
    """
    v = weakest_vector(system, vector, linear, factor)
    if v is None:
        return None
    interiors = system.interiors(JetPlan(system.domain.dimension, [()]))
    coefficients, constants = system.split(v)
    squares, means, heights = [], [], []
    with torch.no_grad():
        for image, share, own in interiors:
            change = own * image.own_jets(coefficients)[:, 0]
            values = own * image.jets(torch.zeros_like(coefficients))[:, 0]
            squares.append(share @ change.square())
            means.append(share @ change)
            heights.append(share @ values.square())
    sizes, mean = torch.stack(squares).sum(0).sqrt(), torch.stack(means).sum(0)
    height = max(float(torch.stack(heights).sum().sqrt()), float(system.least.norm()))
    size = float(sizes.norm())
    shares = shares_of(constants, vector[len(vector) - len(constants) :])
    largest = max(shares, key=lambda name: shares[name], default=None)
    relative = size / height if height > 0 else size
    named = largest if largest is not None and shares[largest] > relative else None
    whole = max(relative, shares[named] if named is not None else 0.0)
    f = int(sizes.argmax())
    constant = bool((sizes[f] ** 2 - mean[f] ** 2).clamp_min(0).sqrt() <= LEVEL * mean[f].abs())
    seen = noticed_by(linear, v) / max(whole, 1e-300)
    # A change of an unknown function that measurements hardly notice is judged by the function's standard deviation.
    judged = named is None or named in constants or not any(piece.placed.block.measured for piece in system.pieces)
    return Direction(
        noticed=seen if judged else 1.0,
        constant=constant,
        field=system.fields[f],
        unknown=named,
    )


def noticed_by(linear: BorderedLinearisation, v: Tensor) -> float:
    """Return ‖J v‖; zero if that is no more than what changes of v by its own round-off do to the rows."""
    signs = torch.randint(0, 2, v.shape, generator=torch.Generator().manual_seed(0)).to(v) * 2 - 1
    seen, rounding = (float(linear.product(each).norm()) for each in (v, ROUND_OFF * signs * v))
    return seen if seen > rounding else 0.0


def weakest_vector(
    system: System, vector: Tensor, linear: BorderedLinearisation, factor: AnyFactor | None = None
) -> Tensor | None:
    """Return the unknowns of the weakest direction, of norm 1; None if there is no factor."""
    if factor is None or factor.damping > LARGEST_DAMPING:
        factor = first_solvable(factor_of(linear, damping) for damping in DAMPINGS)
    if factor is None:
        return None
    if small(factor):
        return exact_direction(linear)
    interiors = system.interiors(JetPlan(system.domain.dimension, [()]))

    def inside(v: Tensor) -> Tensor:
        """Return M v with vᵀ M v = ‖v‖² over the domain, in which a continuation outside a shape has no part."""
        coefficients, _ = system.split(v)
        each = [
            image.adjoint((share[:, None] * own * image.own_jets(coefficients)[:, 0])[:, None]).reshape(-1)
            for image, share, own in interiors
        ]
        weighted = torch.stack(each).sum(dim=0)
        return torch.cat([weighted, v[len(weighted) :]])

    return iterated_direction(factor, linear, vector, inside if system.shaped else None)


def shares_of(change: Mapping[str, Tensor], values: Tensor) -> dict[str, float]:
    """Return the relative change of every unknown constant, and of every unknown function k with constants k[j]."""
    squares, sizes = dict[str, float](), dict[str, float]()
    for (name, each), value in zip(change.items(), values.tolist(), strict=True):
        name = name.partition("[")[0]
        squares[name] = squares.get(name, 0.0) + float(each) ** 2
        sizes[name] = sizes.get(name, 0.0) + value**2
    return {name: math.sqrt(squares[name]) / (math.sqrt(sizes[name]) + 1e-300) for name in squares}


def small(factor: AnyFactor) -> bool:
    """Return True if JᵀJ has lost the digits of J, and J is small enough for its singular values."""
    return not factor.precise and factor.storage.size <= MAX_ORTHOGONAL


def iterated_direction(
    factor: AnyFactor,
    linear: BorderedLinearisation,
    like: Tensor,
    mass: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return the weakest direction, of norm 1, by inverse power iteration; `mass` is M of its norm, else 1.

    A factor that has lost the digits of J mixes all directions whose singular values are below its round-off. Then
    some are iterated together, and the result is their combination that the rows notice least.
    """
    count = 1 if factor.precise else TOGETHER
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(len(like), count, generator=generator, dtype=torch.float64).to(like)
    for _ in range(ITERATIONS if count == 1 else FEW):
        solved = [factor.solve(v if mass is None else mass(v)) for v in basis.T]
        basis = torch.linalg.qr(torch.stack([unit(v) for v in solved], dim=1)).Q
    if count == 1:
        return basis[:, 0]
    if mass is not None:  # combinations are compared by their size inside
        sizes, turns = torch.linalg.eigh(basis.T @ torch.stack([mass(v) for v in basis.T], dim=1))
        inside = sizes > INSIDE * sizes[-1]
        basis = basis @ (turns[:, inside] / sizes[inside].sqrt())
    rows = torch.stack([linear.product(v) for v in basis.T], dim=1)
    return unit(basis @ torch.linalg.svd(rows, full_matrices=False).Vh[-1])


def exact_direction(linear: BorderedLinearisation) -> Tensor:
    """Return the weakest direction, of norm 1, by the singular values of J with columns of norm 1."""
    rows = linear.matrix
    norms = rows.norm(dim=0)
    norms = torch.where(norms > 0, norms, 1.0)
    return unit(torch.linalg.svd(rows / norms, full_matrices=False).Vh[-1] / norms)


def unit(v: Tensor) -> Tensor:
    """Return v / ‖v‖."""
    size: Tensor = v.norm()
    return v / size
