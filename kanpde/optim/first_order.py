"""PyTorch's own L-BFGS and Adam, a step at a time, for problems too large for a Jacobian or too coarse in precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kanpde.optim.least_squares import LeastSquares, Step

SHRINK = 0.3  # what a learning rate is multiplied by after numbers that were not finite


class TorchMethod:
    """A torch optimiser on one parameter, the vector."""

    def __init__(self, kind: type[torch.optim.Optimizer], learning_rate: float, **options: Any) -> None:
        self._kind, self._rate, self._options = kind, learning_rate, options
        self._parameter: torch.nn.Parameter | None = None
        self._optimiser: torch.optim.Optimizer | None = None
        self._remembered: dict[str, Any] | None = None

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """One step; L-BFGS takes up to 20 inner iterations in it."""
        optimiser, parameter = self._ready(vector)

        def closure() -> float:
            loss, gradient = problem.gradient(parameter.detach())
            parameter.grad = gradient
            return loss

        optimiser.step(closure)
        after = parameter.detach().clone()
        return Step(after, float(problem.residual(after).square().sum()), accepted=not torch.equal(after, vector))

    def _ready(self, vector: Tensor) -> tuple[torch.optim.Optimizer, torch.nn.Parameter]:
        if self._parameter is None or self._parameter.shape != vector.shape or self._optimiser is None:
            self._parameter = torch.nn.Parameter(vector.clone())
            self._optimiser = self._kind([self._parameter], lr=self._rate, **self._options)  # type: ignore[call-arg]
            if self._remembered is not None:
                self._optimiser.load_state_dict(self._remembered)
                self._remembered = None
        self._parameter.data.copy_(vector)
        return self._optimiser, self._parameter

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The optimiser's state_dict with its tensors taken out, and where they belong."""
        tensors: dict[str, Tensor] = {}
        state = self._remembered if self._optimiser is None else self._optimiser.state_dict()
        tree = None if state is None else taken_apart(state, "optimiser", tensors)
        return tensors, {"rate": self._rate, "tree": tree}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up such a state; the optimiser itself is made at the next step."""
        self._rate, self._optimiser = float(numbers["rate"]), None
        self._remembered = None if numbers["tree"] is None else put_together(numbers["tree"], tensors)

    def retreat(self) -> None:
        """Begin anew with a smaller learning rate."""
        self._rate, self._optimiser, self._remembered = self._rate * SHRINK, None, None


def lbfgs(learning_rate: float = 1.0) -> TorchMethod:
    """L-BFGS with a strong Wolfe line search and 50 pairs."""
    return TorchMethod(
        torch.optim.LBFGS,
        learning_rate,
        history_size=50,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )


def adam(learning_rate: float = 1e-3) -> TorchMethod:
    """Adam (Kingma and Ba, arXiv 1412.6980) with its published constants."""
    return TorchMethod(torch.optim.Adam, learning_rate)


def taken_apart(tree: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The tree as JSON: tensors moved to `tensors` under their paths, dictionaries as pairs: keys may be numbers."""
    if isinstance(tree, Tensor):
        tensors[path] = tree.detach().clone()
        return {"tensor": path}
    if isinstance(tree, Mapping):
        return {"pairs": [[key, taken_apart(value, f"{path}.{key}", tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        items = [taken_apart(value, f"{path}.{i}", tensors) for i, value in enumerate(tree)]
        return {"tuple" if isinstance(tree, tuple) else "list": items}
    return {"value": tree}


def put_together(tree: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `taken_apart`."""
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "pairs":
        return {key: put_together(value, tensors) for key, value in content}
    if kind in ("list", "tuple"):
        items = [put_together(value, tensors) for value in content]
        return tuple(items) if kind == "tuple" else items
    return content
