"""PyTorch's L-BFGS, one step at a time, for problems too large for a Jacobian or in single precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kanpde.optim.least_squares import LeastSquares, Step
from kanpde.optim.rates import RATE_REDUCTION


class TorchMethod:
    """A torch optimiser of one parameter, the vector (P,)."""

    def __init__(self, kind: type[torch.optim.Optimizer], learning_rate: float, **options: Any) -> None:
        self._kind, self._rate, self._options = kind, learning_rate, options
        self._parameter: torch.nn.Parameter | None = None
        self._optimiser: torch.optim.Optimizer | None = None
        self._remembered: dict[str, Any] | None = None

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """Return one step from `vector`, (P,); one step of L-BFGS has up to 20 inner iterations."""
        optimiser, parameter = self._optimiser_at(vector)

        def closure() -> float:
            loss, gradient = problem.gradient(parameter.detach())
            parameter.grad = gradient
            return loss

        optimiser.step(closure)
        after = parameter.detach().clone()
        return Step(after, float(problem.residual(after).square().sum()), accepted=not torch.equal(after, vector))

    def _optimiser_at(self, vector: Tensor) -> tuple[torch.optim.Optimizer, torch.nn.Parameter]:
        if self._parameter is None or self._parameter.shape != vector.shape or self._optimiser is None:
            self._parameter = torch.nn.Parameter(vector.clone())
            self._optimiser = self._kind([self._parameter], lr=self._rate, **self._options)  # type: ignore[call-arg]
            if self._remembered is not None:
                self._optimiser.load_state_dict(self._remembered)
                self._remembered = None
        self._parameter.data.copy_(vector)
        return self._optimiser, self._parameter

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors of the optimiser's state_dict, and the rest of it as JSON that refers to them."""
        tensors: dict[str, Tensor] = {}
        state = self._remembered if self._optimiser is None else self._optimiser.state_dict()
        tree = None if state is None else encode_tree(state, "optimiser", tensors)
        return tensors, {"rate": self._rate, "tree": tree}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned; the next step creates the optimiser."""
        self._rate, self._optimiser = float(numbers["rate"]), None
        self._remembered = None if numbers["tree"] is None else decode_tree(numbers["tree"], tensors)

    def retreat(self) -> None:
        """Restart the optimiser with a smaller learning rate."""
        self._rate, self._optimiser, self._remembered = self._rate * RATE_REDUCTION, None, None


def lbfgs(learning_rate: float = 1.0) -> TorchMethod:
    """Return L-BFGS with a strong Wolfe line search and 50 secant pairs."""
    return TorchMethod(
        torch.optim.LBFGS,
        learning_rate,
        history_size=50,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )


def encode_tree(tree: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Return the tree as JSON and move its tensors to `tensors` by path; dictionaries become pairs, as keys are any."""
    if isinstance(tree, Tensor):
        tensors[path] = tree.detach().clone()
        return {"tensor": path}
    if isinstance(tree, Mapping):
        return {"pairs": [[key, encode_tree(value, f"{path}.{key}", tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        items = [encode_tree(value, f"{path}.{i}", tensors) for i, value in enumerate(tree)]
        return {"tuple" if isinstance(tree, tuple) else "list": items}
    return {"value": tree}


def decode_tree(tree: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    """Return the tree that `encode_tree` encoded."""
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "pairs":
        return {key: decode_tree(value, tensors) for key, value in content}
    if kind in ("list", "tuple"):
        items = [decode_tree(value, tensors) for value in content]
        return tuple(items) if kind == "tuple" else items
    return content
