"""A user's level function f(x, y, …): its values, its slopes, and points moved onto f = 0."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus import forward_mode
from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError, nearest

_STEPS = 6  # of Newton's method, from a start within a cell


@dataclass(frozen=True)
class LevelFunction:
    """f / `scale`, a torch function of coordinates by name; with |∇f| as the scale it is about a distance.

    Raises ProblemError if the function asks for other coordinates, fails, or does not return a tensor of shape (n,).
    """

    function: Callable[..., Any]
    names: tuple[str, ...]
    scale: float = 1.0

    def __call__(self, points: Tensor) -> Tensor:
        """Return the level (n,) of points (n, d)."""
        columns = dict(zip(self.names, points.unbind(dim=-1), strict=True))
        try:
            value = self.function(**{name: columns[name] for name in self._asked()})
        except ProblemError:
            raise
        except Exception as error:  # a user's code may raise anything
            raise ProblemError(f"the function of Implicit: {type(error).__name__}: {error}") from error
        if not isinstance(value, Tensor) or value.shape != points.shape[:-1]:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            expected = tuple(points.shape[:-1])
            raise ProblemError(f"the function of Implicit expects a tensor of shape (n,) = {expected}, got {got}")
        return value / self.scale

    def _asked(self) -> list[str]:
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):
            wanted = ", ".join(self.names)
            raise ProblemError(f"Implicit expects a torch function of {wanted}, got {self.function!r}") from None
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return list(self.names)
        asked = [p.name for p in parameters if p.name in self.names or p.default is p.empty]
        for name in asked:
            if name not in self.names:
                raise ProblemError(
                    f"the function of Implicit has an unknown argument {name!r}; {nearest(name, self.names)}"
                )
        return asked

    def gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the level (n,) and its gradient (n, d)."""
        if not forward_mode.engine():
            slopes = [forward_mode.partial(self, points, [axis]) for axis in range(points.shape[-1])]
            return self(points).detach(), torch.stack(slopes, dim=-1)
        with torch.enable_grad():
            at = points.detach().clone().requires_grad_()
            value = self(at)
            if not value.requires_grad:
                raise ProblemError("the function of Implicit expects torch functions of coordinates, got a constant")
            (slope,) = torch.autograd.grad(value.sum(), at)
        return value.detach(), slope

    def values(self, points: Array) -> Array:
        """Return the level of an array of points, (n,)."""
        return np.asarray(self(torch.as_tensor(points)).detach().numpy(), dtype=np.float64)

    def slopes(self, points: Array) -> tuple[Array, Array]:
        """Return the level (n,) and the gradient (n, d) at an array of points."""
        value, slope = self.gradient(torch.as_tensor(points))
        return value.numpy(), slope.numpy()

    def projected(self, points: Array, along: Array | None = None, reach: float = np.inf) -> Array:
        """Return points moved onto f = 0 by Newton's method, along the gradient or along directions (n, d).

        No step is longer than `reach`.
        """
        at = points
        for _ in range(_STEPS):
            value, slope = self.slopes(at)
            way = slope if along is None else along
            rate = (slope * way).sum(axis=1)
            step = (value / np.where(np.abs(rate) > 1e-300, rate, np.inf))[:, None] * way
            size = np.linalg.norm(step, axis=1, keepdims=True)
            at = at - step * np.minimum(1.0, reach / np.maximum(size, 1e-300))
        return at
