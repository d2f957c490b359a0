"""SOAP: Adam in the slowly turning eigenbasis of Shampoo's preconditioner.

For a block W of parameters with the gradient G, an m × n matrix, algorithm 3 of Vyas et al., arXiv 2409.11321, is

    L ← β L + (1 − β) G Gᵀ,   R ← β R + (1 − β) GᵀG,   L ≈ Q_L Λ Q_Lᵀ,   R ≈ Q_R Λ Q_Rᵀ,
    W ← W − η Q_L Adam(Q_Lᵀ G Q_R) Q_Rᵀ,

a tensor has a factor for every axis, and a vector none: its rule is Adam's. The bases follow L and R by one step of
orthogonal iteration every few steps (algorithm 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kanpde.optim.first_order import SHRINK
from kanpde.optim.least_squares import LeastSquares, Step

DECAY = 0.95  # β of all averages
EVERY = 10  # steps between two turns of the bases
LARGEST_AXIS = 1024  # axes longer than this keep the basis they have, for their factor would be too dear
SMALL = 1e-8  # added to the root of the second moment
Shape = tuple[int, ...]


@dataclass
class Moments:
    """What is remembered of one block: averages of G and of the squares of its rotated self, factors and bases."""

    first: Tensor
    second: Tensor
    factors: dict[int, Tensor]
    bases: dict[int, Tensor]

    @classmethod
    def of(cls, gradient: Tensor) -> Moments:
        """Of the first gradient, whose factors give the first bases."""
        none = torch.zeros_like(gradient)
        factors = {axis: (1 - DECAY) * contracted(gradient, axis) for axis in preconditioned(gradient.shape)}
        bases = {axis: torch.linalg.eigh(factor).eigenvectors.flip(1).contiguous() for axis, factor in factors.items()}
        return cls(none, none.clone(), factors, bases)

    def follow(self, gradient: Tensor) -> None:
        """Take a gradient into all averages."""
        for axis, factor in self.factors.items():
            self.factors[axis] = DECAY * factor + (1 - DECAY) * contracted(gradient, axis)
        self.first = DECAY * self.first + (1 - DECAY) * gradient
        self.second = DECAY * self.second + (1 - DECAY) * rotated(gradient, self.bases).square()

    def direction(self, count: int) -> Tensor:
        """Adam's direction in the rotated space, turned back, with the bias of `count` averages taken out."""
        bias = 1 - DECAY**count
        ahead = rotated(self.first, self.bases) / bias / ((self.second / bias).sqrt() + SMALL)
        return rotated(ahead, {axis: basis.T for axis, basis in self.bases.items()})

    def turn(self) -> None:
        """One step of orthogonal iteration of every basis."""
        for axis, basis in self.bases.items():
            self.bases[axis] = torch.linalg.qr(self.factors[axis] @ basis).Q.contiguous()


class SOAP:
    """The blocks are what the problem calls its `shapes`, in the order of the vector; one vector where it has none."""

    def __init__(self, learning_rate: float = 3e-3) -> None:
        self._rate, self._count = learning_rate, 0
        self._shapes: tuple[Shape, ...] = ()
        self._moments: list[Moments] = []

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """One step from `vector`."""
        shapes = shapes_of(problem, vector)
        before, gradient = problem.gradient(vector)
        blocks = split(gradient, shapes)
        if shapes != self._shapes:
            self._shapes, self._count, self._moments = shapes, 0, [Moments.of(block) for block in blocks]
        self._count += 1
        for moments, block in zip(self._moments, blocks, strict=True):
            moments.follow(block)
        directions = [moments.direction(self._count).reshape(-1) for moments in self._moments]
        if self._count % EVERY == 0:
            for moments in self._moments:
                moments.turn()
        after = vector - self._rate * torch.cat(directions)
        return Step(after, float(problem.residual(after).square().sum()), before=before)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All averages and bases, and how many gradients they have seen."""
        tensors: dict[str, Tensor] = {}
        for number, moments in enumerate(self._moments):
            tensors |= {f"{number}.first": moments.first, f"{number}.second": moments.second}
            for axis, factor in moments.factors.items():
                tensors |= {f"{number}.factor.{axis}": factor, f"{number}.basis.{axis}": moments.bases[axis]}
        return tensors, {"rate": self._rate, "count": self._count, "shapes": [list(shape) for shape in self._shapes]}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up such a state."""
        self._rate, self._count = float(numbers["rate"]), int(numbers["count"])
        self._shapes = tuple(tuple(shape) for shape in numbers["shapes"])
        self._moments = []
        for number, shape in enumerate(self._shapes):
            axes = preconditioned(shape)
            factors = {axis: tensors[f"{number}.factor.{axis}"] for axis in axes}
            bases = {axis: tensors[f"{number}.basis.{axis}"] for axis in axes}
            self._moments.append(Moments(tensors[f"{number}.first"], tensors[f"{number}.second"], factors, bases))

    def retreat(self) -> None:
        """Begin anew with a smaller learning rate."""
        self._rate, self._count, self._shapes, self._moments = self._rate * SHRINK, 0, (), []


def shapes_of(problem: LeastSquares, vector: Tensor) -> tuple[Shape, ...]:
    """The shapes of the problem's blocks of parameters."""
    return getattr(problem, "shapes", None) or ((len(vector),),)


def split(vector: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """The vector as blocks of these shapes."""
    sizes = [torch.Size(shape).numel() for shape in shapes]
    return [piece.reshape(shape) for piece, shape in zip(torch.split(vector, sizes), shapes, strict=True)]


def preconditioned(shape: Sequence[int]) -> list[int]:
    """The axes with a factor: none of a vector."""
    long = [axis for axis, size in enumerate(shape) if size > 1]
    return [axis for axis in long if shape[axis] <= LARGEST_AXIS] if len(long) > 1 else []


def contracted(tensor: Tensor, axis: int) -> Tensor:
    """G Gᵀ of the tensor unfolded along an axis."""
    unfolded = tensor.movedim(axis, 0).flatten(1)
    return unfolded @ unfolded.T


def rotated(tensor: Tensor, bases: Mapping[int, Tensor]) -> Tensor:
    """Every axis that has a basis Q multiplied by Qᵀ; laid out as in a file, for products depend on it in round-off."""
    for axis, basis in bases.items():
        tensor = torch.tensordot(basis, tensor, dims=([0], [axis])).movedim(0, axis)
    return tensor.contiguous()
