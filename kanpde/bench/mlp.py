"""A multilayer perceptron with tanh, for a problem and with a number of parameters."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from kanpde.network import mlp
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem


class MLP(Model):
    """Three hidden layers of tanh with at most `parameters` parameters; coordinates are scaled to [−1, 1]."""

    def __init__(self, problem: Problem, parameters: int, seed: int) -> None:
        domain = problem.domain
        sizes = layer_sizes(domain.dimension, len(problem.fields), parameters)
        network = mlp.MLP(sizes[1:-1], "tanh").build(domain.low, domain.high, sizes[-1], seed=seed)
        super().__init__(network)

    def forward(self, points: Tensor) -> Tensor:
        """Return the values (n, fields) at points (n, d), differentiable by the points."""
        values: Tensor = self.network(points)
        return values


def layer_sizes(inputs: int, outputs: int, parameters: int) -> list[int]:
    """Return [inputs, w, w, w, outputs] with the largest w that needs at most this number of weights and biases."""
    width = 2
    while count([inputs, *[width + 1] * 3, outputs]) <= parameters:
        width += 1
    return [inputs, *[width] * 3, outputs]


def count(sizes: Sequence[int]) -> int:
    """Return the number of weights and biases of fully connected layers."""
    return sum((i + 1) * o for i, o in zip(sizes[:-1], sizes[1:], strict=True))
