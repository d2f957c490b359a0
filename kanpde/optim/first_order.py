"""Methods of first order: a step along a direction made of gradients, with one evaluation of the network.

    θ ← θ − η (d(g) + w θ),   g the gradient, at most of the length `gradient_clip`,

with the rate η of a schedule, the direction d of Adam or SOAP, and the weight decay w, which is not part of g
(Loshchilov and Hutter, arXiv 1711.05101). Unknown constants of a problem do not decay.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kanpde.optim.least_squares import LeastSquares, Step
from kanpde.optim.rates import RATE_REDUCTION, RatePlan, Rates

Shape = tuple[int, ...]
BETAS, EPSILON = (0.9, 0.999), 1e-8  # Adam's published constants
DECAY = 1e-2  # weight decay of adamw


class FirstOrder(abc.ABC):
    """A step of a first-order method; a subclass has the direction and its averages."""

    def __init__(
        self,
        learning_rate: float,
        weight_decay: float = 0.0,
        gradient_clip: float | None = None,
        plan: RatePlan | None = None,
    ) -> None:
        self._rate, self._decay, self._clip = learning_rate, weight_decay, gradient_clip
        self._rates = Rates(plan or RatePlan())

    @abc.abstractmethod
    def direction(self, gradient: Tensor, shapes: Sequence[Shape]) -> Tensor:
        """Return the direction (P,), after an update of the averages by the gradient (P,) of blocks of these shapes."""

    @abc.abstractmethod
    def forget(self) -> None:
        """Begin with new averages."""

    @abc.abstractmethod
    def averages(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the averages as tensors and JSON."""

    @abc.abstractmethod
    def remember(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `averages` returned."""

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """Return one step from `vector`, (P,); its loss is the one before the step, the only one that is evaluated."""
        loss, gradient = problem.gradient(vector)
        if self._clip is not None:
            gradient = gradient * (self._clip / gradient.norm().clamp_min(self._clip))
        ahead = self.direction(gradient, shapes_of(problem, vector))
        if self._decay:
            weights = self._decay * vector
            weights[len(vector) - getattr(problem, "constants", 0) :] = 0.0
            ahead = ahead + weights
        after = vector - self._rate * self._rates.factor * ahead
        self._rates.note(loss)
        return Step(after, loss, accepted=not torch.equal(after, vector), before=loss, lags=True)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the averages, and as JSON the learning rate and the place in its schedule."""
        tensors, numbers = self.averages()
        return tensors, {"rate": self._rate, "schedule": self._rates.state(), **numbers}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._rate = float(numbers["rate"])
        self._rates.restore(numbers["schedule"])
        self.remember(tensors, numbers)

    def retreat(self) -> None:
        """Restart with a smaller learning rate."""
        self._rate *= RATE_REDUCTION
        self.forget()


class Adam(FirstOrder):
    """Adam (Kingma and Ba, arXiv 1412.6980) with its published constants; with a weight decay it is AdamW."""

    _first: Tensor | None = None
    _second: Tensor | None = None
    _count = 0

    def direction(self, gradient: Tensor, shapes: Sequence[Shape]) -> Tensor:
        """Return the mean of the gradients over the root of the mean of their squares, both without bias."""
        if self._first is None or self._second is None or self._first.shape != gradient.shape:
            self._first, self._second, self._count = torch.zeros_like(gradient), torch.zeros_like(gradient), 0
        self._count += 1
        self._first = torch.lerp(self._first, gradient, 1 - BETAS[0])
        self._second = torch.lerp(self._second, gradient.square(), 1 - BETAS[1])
        first, second = (1 - beta**self._count for beta in BETAS)
        return (self._first / first) / ((self._second / second).sqrt() + EPSILON)

    def forget(self) -> None:
        """Begin with new averages."""
        self._first, self._second, self._count = None, None, 0

    def averages(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return both averages and the number of gradients."""
        found = {} if self._first is None or self._second is None else {"first": self._first, "second": self._second}
        return found, {"count": self._count}

    def remember(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `averages` returned."""
        self._first, self._second, self._count = tensors.get("first"), tensors.get("second"), int(numbers["count"])


def adam(learning_rate: float = 1e-3, **options: Any) -> Adam:
    """Return Adam without weight decay; `options` are those of `FirstOrder`."""
    return Adam(learning_rate, **options)


def adamw(learning_rate: float = 1e-3, weight_decay: float = DECAY, **options: Any) -> Adam:
    """Return Adam with weight decay; `options` are those of `FirstOrder`."""
    return Adam(learning_rate, weight_decay, **options)


def shapes_of(problem: LeastSquares, vector: Tensor) -> tuple[Shape, ...]:
    """Return the shapes of the problem's blocks of parameters."""
    return getattr(problem, "shapes", None) or ((len(vector),),)
