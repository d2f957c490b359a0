"""SOAP: Adam in the slowly rotating eigenbasis of Shampoo's preconditioner.

For an m × n block W of parameters with the gradient G, algorithm 3 of Vyas et al., arXiv 2409.11321, is

    L ← β L + (1 − β) G Gᵀ,   R ← β R + (1 − β) GᵀG,   L ≈ Q_L Λ Q_Lᵀ,   R ≈ Q_R Λ Q_Rᵀ,
    W ← W − η Q_L Adam(Q_Lᵀ G Q_R) Q_Rᵀ.

A tensor has one factor for each axis; a vector has no factor, so its update is Adam's. The bases are updated by one
step of orthogonal iteration every few steps (algorithm 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kanpde.optim.first_order import FirstOrder, Shape

DECAY = 0.95  # β of all averages
ROTATE_EVERY = 10  # number of steps between two updates of the bases
MAX_AXIS = 1024  # longest axis that has a factor; the factor of a longer one costs too much
EPSILON = 1e-8  # added to the root of the second moment


def basis_of(factor: Tensor) -> Tensor:
    """Return the eigenvectors of a factor, the largest eigenvalue first; the identity if it is not finite."""
    if not torch.isfinite(factor).all():  # the gradient overflowed, and the descent ends as diverged
        return torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    vectors: Tensor = torch.linalg.eigh(factor).eigenvectors
    return vectors.flip(1).contiguous()


@dataclass
class Moments:
    """The state of one block: averages of G and of the squares of the rotated G, and the factors and bases by axis."""

    first: Tensor
    second: Tensor
    factors: dict[int, Tensor]
    bases: dict[int, Tensor]

    @classmethod
    def of(cls, gradient: Tensor) -> Moments:
        """Return the state before the first gradient, with the bases that its factors have."""
        zeros = torch.zeros_like(gradient)
        factors = {axis: (1 - DECAY) * unfolded_gram(gradient, axis) for axis in preconditioned_axes(gradient.shape)}
        bases = {axis: basis_of(factor) for axis, factor in factors.items()}
        return cls(zeros, zeros.clone(), factors, bases)

    def update(self, gradient: Tensor) -> None:
        """Update all averages with a gradient."""
        for axis, factor in self.factors.items():
            self.factors[axis] = DECAY * factor + (1 - DECAY) * unfolded_gram(gradient, axis)
        self.first = DECAY * self.first + (1 - DECAY) * gradient
        self.second = DECAY * self.second + (1 - DECAY) * rotate(gradient, self.bases).square()

    def direction(self, count: int) -> Tensor:
        """Return Adam's direction in the rotated space, rotated back, with the bias of `count` updates removed."""
        bias = 1 - DECAY**count
        ahead = rotate(self.first, self.bases) / bias / ((self.second / bias).sqrt() + EPSILON)
        return rotate(ahead, {axis: basis.T for axis, basis in self.bases.items()})

    def rotate_bases(self) -> None:
        """Carry out one step of orthogonal iteration of each basis."""
        for axis, basis in self.bases.items():
            self.bases[axis] = torch.linalg.qr(self.factors[axis] @ basis).Q.contiguous()


class SOAP(FirstOrder):
    """SOAP on the blocks that the problem's `shapes` name, in the order of the vector; on one vector if it has none."""

    def __init__(self, learning_rate: float = 3e-3, weight_decay: float = 0.0, **options: Any) -> None:
        super().__init__(learning_rate, weight_decay, **options)
        self._count = 0
        self._shapes: Sequence[Shape] = ()
        self._moments: list[Moments] = []

    def direction(self, gradient: Tensor, shapes: Sequence[Shape]) -> Tensor:
        """Return the direction (P,), after an update of all averages."""
        blocks = split(gradient, shapes)
        if shapes != self._shapes:
            self._shapes, self._count, self._moments = shapes, 0, [Moments.of(block) for block in blocks]
        self._count += 1
        for moments, block in zip(self._moments, blocks, strict=True):
            moments.update(block)
        directions = [moments.direction(self._count).reshape(-1) for moments in self._moments]
        if self._count % ROTATE_EVERY == 0:
            for moments in self._moments:
                moments.rotate_bases()
        return torch.cat(directions)

    def forget(self) -> None:
        """Begin with new averages and bases."""
        self._count, self._shapes, self._moments = 0, (), []

    def averages(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all averages and bases, and as JSON the number of steps and the shapes."""
        tensors: dict[str, Tensor] = {}
        for number, moments in enumerate(self._moments):
            tensors |= {f"{number}.first": moments.first, f"{number}.second": moments.second}
            for axis, factor in moments.factors.items():
                tensors |= {f"{number}.factor.{axis}": factor, f"{number}.basis.{axis}": moments.bases[axis]}
        return tensors, {"count": self._count, "shapes": [list(shape) for shape in self._shapes]}

    def remember(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `averages` returned."""
        self._count = int(numbers["count"])
        self._shapes = tuple(tuple(shape) for shape in numbers["shapes"])
        self._moments = []
        for number, shape in enumerate(self._shapes):
            axes = preconditioned_axes(shape)
            factors = {axis: tensors[f"{number}.factor.{axis}"] for axis in axes}
            bases = {axis: tensors[f"{number}.basis.{axis}"] for axis in axes}
            self._moments.append(Moments(tensors[f"{number}.first"], tensors[f"{number}.second"], factors, bases))


def split(vector: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Return the vector (P,) as blocks of these shapes."""
    sizes = [torch.Size(shape).numel() for shape in shapes]
    return [piece.reshape(shape) for piece, shape in zip(torch.split(vector, sizes), shapes, strict=True)]


def preconditioned_axes(shape: Sequence[int]) -> list[int]:
    """Return the axes that have a factor; a vector has no such axis."""
    long = [axis for axis, size in enumerate(shape) if size > 1]
    return [axis for axis in long if shape[axis] <= MAX_AXIS] if len(long) > 1 else []


def unfolded_gram(tensor: Tensor, axis: int) -> Tensor:
    """Return G Gᵀ of the tensor unfolded along an axis into a matrix G."""
    unfolded = tensor.movedim(axis, 0).flatten(1)
    return unfolded @ unfolded.T


def rotate(tensor: Tensor, bases: Mapping[int, Tensor]) -> Tensor:
    """Multiply each axis that has a basis Q by Qᵀ.

    The result is contiguous, as a tensor read from a file is, because the rounding of products depends on the layout.
    """
    for axis, basis in bases.items():
        tensor = torch.tensordot(basis, tensor, dims=([0], [axis])).movedim(0, axis)
    return tensor.contiguous()
