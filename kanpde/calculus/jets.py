"""Jets: sets of partial derivatives closed under the chain rule.

A partial is a multi-index, the sorted tuple of the axes it differentiates along: () is the value, (0,) is u_x, (0, 1)
is u_xy. Through a univariate function, Faà di Bruno's formula reads

    ∂^α φ(h) = Σ_m φ^(m)(h) Q_{α,m},    Q_{α,m} = Σ_{π partition of α into m blocks} Π_{B∈π} ∂^B h,

and a product follows Leibniz's rule ∂^α(f g) = Σ_{A⊆α} ∂^A f ∂^{α∖A} g. Partitions and subsets are of the *positions*
in α, so that repeated axes are counted correctly (Hardy, "Combinatorics of partial derivatives", Electron. J. Combin.
13 (2006) R1, Prop. 1 and 2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex


@dataclass(frozen=True)
class BellTerm:
    """coefficient · Π_{B in blocks} ∂^B h, one monomial of Q_{α,m} with m = len(blocks)."""

    alpha: int
    order: int
    blocks: tuple[int, ...]
    coefficient: int


@dataclass(frozen=True)
class LeibnizTerm:
    """coefficient · ∂^left f · ∂^right g, one term of ∂^alpha (f g)."""

    alpha: int
    left: int
    right: int
    coefficient: int


def set_partitions(positions: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """Yield all partitions of a set of positions into non-empty blocks."""
    if not positions:
        yield []
        return
    first, rest = positions[0], positions[1:]
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            remaining = tuple(p for p in rest if p not in others)
            for partition in set_partitions(remaining):
                yield [(first, *others), *partition]


def closure(partials: Iterable[MultiIndex]) -> tuple[MultiIndex, ...]:
    """Return every sub-multiset of the given partials, by order and then alphabetically; () is always first."""
    found: set[MultiIndex] = {()}
    for partial in partials:
        for size in range(len(partial) + 1):
            found.update(tuple(sorted(subset)) for subset in combinations(partial, size))
    return tuple(sorted(found, key=lambda p: (len(p), p)))


@dataclass(frozen=True)
class JetPlan:
    """How a closed set of partials moves through a network.

    `dimension` is the number of coordinates, `requested` are the partials requested, and `partials` their closure. A
    jet is a tensor with an axis over `partials`.
    """

    dimension: int
    requested: frozenset[MultiIndex]
    partials: tuple[MultiIndex, ...] = field(init=False)

    def __init__(self, dimension: int, requested: Iterable[MultiIndex]) -> None:
        wanted = frozenset(tuple(sorted(p)) for p in requested)
        object.__setattr__(self, "dimension", dimension)
        object.__setattr__(self, "requested", wanted)
        object.__setattr__(self, "partials", closure(wanted))

    def __len__(self) -> int:
        return len(self.partials)

    @cached_property
    def index(self) -> dict[MultiIndex, int]:
        """The position of each partial in a jet."""
        return {partial: i for i, partial in enumerate(self.partials)}

    @cached_property
    def order(self) -> int:
        """The highest order of differentiation."""
        return max(len(partial) for partial in self.partials)

    @cached_property
    def bell(self) -> tuple[BellTerm, ...]:
        """The monomials of every Q_{α,m}, α ≠ ()."""
        terms = []
        for alpha, partial in enumerate(self.partials):
            if not partial:
                continue
            counts: Counter[tuple[int, ...]] = Counter()
            for partition in set_partitions(tuple(range(len(partial)))):
                blocks = (self.index[tuple(sorted(partial[p] for p in block))] for block in partition)
                counts[tuple(sorted(blocks))] += 1
            terms += [BellTerm(alpha, len(blocks), blocks, count) for blocks, count in counts.items()]
        return tuple(terms)

    @cached_property
    def leibniz(self) -> tuple[LeibnizTerm, ...]:
        """The terms of ∂^α (f g) for every α."""
        terms = []
        for alpha, partial in enumerate(self.partials):
            counts: Counter[tuple[int, int]] = Counter()
            positions = range(len(partial))
            for size in range(len(partial) + 1):
                for chosen in combinations(positions, size):
                    left = tuple(partial[p] for p in chosen)
                    right = tuple(partial[p] for p in positions if p not in chosen)
                    counts[self.index[left], self.index[right]] += 1
            terms += [LeibnizTerm(alpha, left, right, count) for (left, right), count in counts.items()]
        return tuple(terms)

    @cached_property
    def pure(self) -> tuple[tuple[int, int, int], ...]:
        """(α, axis, m) for every α that is m-fold along a single axis: the partials of functions of one coordinate."""
        return tuple(
            (alpha, partial[0], len(partial))
            for alpha, partial in enumerate(self.partials)
            if partial and len(set(partial)) == 1
        )

    def coordinates(self, points: Tensor) -> Tensor:
        """Return the jet of the identity map: points (n, d) -> (n, S, d)."""
        jet = points.new_zeros(points.shape[0], len(self), self.dimension)
        jet[:, 0] = points
        for alpha, axis, order in self.pure:
            if order == 1:
                jet[:, alpha, axis] = 1
        return jet


def bell_polynomials(plan: JetPlan, jet: Tensor) -> Tensor:
    """Return Q_{α,m} of a jet (n, S, i) as (n, S, M, i) with m = 0 … M-1 = order; Q_{(),0} = 1."""
    zero = jet.new_zeros(jet.shape[0], jet.shape[2])
    found = bell_terms(plan, jet.unbind(dim=1))
    rows = [[row.get(m, zero) for m in range(plan.order + 1)] for row in found]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def bell_terms(plan: JetPlan, jet: Sequence[Tensor]) -> list[dict[int, Tensor]]:
    """Return the Q_{α,m} that are not zero, by m for each α, of a jet given as one tensor for each partial."""
    result: list[dict[int, Tensor]] = [{} for _ in jet]
    result[0][0] = torch.ones_like(jet[0])
    for term in plan.bell:
        monomial = monomial_of(jet, term.blocks)
        if term.coefficient != 1:
            monomial = monomial * term.coefficient
        known = result[term.alpha].get(term.order)
        result[term.alpha][term.order] = monomial if known is None else known + monomial
    return result


def monomial_of(jet: Sequence[Tensor], blocks: tuple[int, ...]) -> Tensor:
    """Return Π ∂^B h over the blocks of a jet given as one tensor for each partial."""
    value = jet[blocks[0]]
    for block in blocks[1:]:
        value = value * jet[block]
    return value


def bell_adjoint(plan: JetPlan, jet: Sequence[Tensor], adjoint: Mapping[tuple[int, int], Tensor]) -> list[Tensor]:
    """Return the transposed derivative of `bell_terms` at a jet: of adjoints by (α, m) to one for each partial."""
    result = [torch.zeros_like(jet[0]) for _ in jet]
    for term in plan.bell:
        seed = adjoint[term.alpha, term.order]
        if term.coefficient != 1:
            seed = seed * term.coefficient
        for block, times in Counter(term.blocks).items():
            others = list(term.blocks)
            others.remove(block)
            factor = seed * monomial_of(jet, tuple(others)) if others else seed
            result[block] += factor * times if times != 1 else factor
    return result


def product(plan: JetPlan, left: Tensor, right: Tensor) -> Tensor:
    """Return the jet of f g from jets (n, S, i) of f and g."""
    return torch.stack(product_terms(plan, left.unbind(dim=1), right.unbind(dim=1)), dim=1)


def product_terms(plan: JetPlan, left: Sequence[Tensor], right: Sequence[Tensor]) -> list[Tensor]:
    """Return the partials of f g from those of f and g, given as one tensor for each partial."""
    rows: dict[int, Tensor] = {}
    for term in plan.leibniz:
        piece = left[term.left] * right[term.right]
        if term.coefficient != 1:
            piece = piece * term.coefficient
        rows[term.alpha] = rows[term.alpha] + piece if term.alpha in rows else piece
    return [rows[alpha] for alpha in range(len(plan))]


def product_adjoint(plan: JetPlan, factor: Tensor, adjoint: Tensor) -> Tensor:
    """Return the transpose of f ↦ f g for the jet `factor` of g: adjoint (n, S, i) of f g -> adjoint of f."""
    return torch.stack(product_adjoint_terms(plan, factor.unbind(dim=1), adjoint.unbind(dim=1)), dim=1)


def product_adjoint_terms(plan: JetPlan, factor: Sequence[Tensor], adjoint: Sequence[Tensor]) -> list[Tensor]:
    """Return the same for jets given as one tensor for each partial."""
    result = [torch.zeros_like(each) for each in adjoint]
    for term in plan.leibniz:
        piece = adjoint[term.alpha] * factor[term.right]
        result[term.left] += piece * term.coefficient if term.coefficient != 1 else piece
    return result
