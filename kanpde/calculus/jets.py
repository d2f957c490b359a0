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
from collections.abc import Iterable, Iterator
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
    count, size, width = jet.shape
    result = [[None] * (plan.order + 1) for _ in range(size)]  # type: list[list[Tensor | None]]
    result[0][0] = jet.new_ones(count, width)
    for term in plan.bell:
        monomial = monomial_of(jet, term.blocks)
        if term.coefficient != 1:
            monomial = monomial * term.coefficient
        so_far = result[term.alpha][term.order]
        result[term.alpha][term.order] = monomial if so_far is None else so_far + monomial
    zero = jet.new_zeros(count, width)
    return torch.stack([torch.stack([zero if q is None else q for q in row], dim=1) for row in result], dim=1)


def monomial_of(jet: Tensor, blocks: tuple[int, ...]) -> Tensor:
    """Return Π ∂^B h over the blocks, jet (n, S, i) -> (n, i)."""
    value = jet[:, blocks[0]]
    for block in blocks[1:]:
        value = value * jet[:, block]
    return value


def bell_adjoint(plan: JetPlan, jet: Tensor, adjoint: Tensor) -> Tensor:
    """Return the transposed derivative of `bell_polynomials` at `jet`: adjoint (n, S, M, i) -> (n, S, i)."""
    result = torch.zeros_like(jet)
    for term in plan.bell:
        seed = adjoint[:, term.alpha, term.order]
        if term.coefficient != 1:
            seed = seed * term.coefficient
        if len(term.blocks) == 1:
            result[:, term.blocks[0]] += seed
            continue
        for block, times in Counter(term.blocks).items():
            others = list(term.blocks)
            others.remove(block)
            factor = seed * monomial_of(jet, tuple(others))
            result[:, block] += factor * times if times != 1 else factor
    return result


def product(plan: JetPlan, left: Tensor, right: Tensor) -> Tensor:
    """Return the jet of f g from jets (n, S, i) of f and g."""
    rows: list[Tensor | None] = [None] * len(plan)
    for term in plan.leibniz:
        piece = left[:, term.left] * right[:, term.right]
        if term.coefficient != 1:
            piece = piece * term.coefficient
        so_far = rows[term.alpha]
        rows[term.alpha] = piece if so_far is None else so_far + piece
    return torch.stack([row for row in rows if row is not None], dim=1)


def product_adjoint(plan: JetPlan, factor: Tensor, adjoint: Tensor) -> Tensor:
    """Return the transpose of f ↦ f g for the jet `factor` of g: adjoint (n, S, i) of f g -> adjoint of f."""
    result = torch.zeros_like(adjoint)
    for term in plan.leibniz:
        piece = adjoint[:, term.alpha] * factor[:, term.right]
        result[:, term.left] += piece * term.coefficient if term.coefficient != 1 else piece
    return result
