"""An unknown function that was found, and its standard deviation, evaluated at coordinates by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError, nearest
from kanpde.problem.field import parse_partial
from kanpde.problem.unknown_function import Expansion

SHOWN = {1: 21, 2: 5, 3: 3}  # points along each coordinate of the values in metrics.json
MEASURED = {1: 401, 2: 41, 3: 13}  # points along each coordinate at which a function's size is measured


class FoundFunction:
    """k(x) of an inverse problem: ``k(x=xs)`` and ``k.derivative("x", x=xs)``.

    NumPy arrays and numbers give NumPy arrays, torch tensors give torch tensors; shapes broadcast. Raises ProblemError
    if a coordinate is missing or unknown, or if shapes do not broadcast.
    """

    def __init__(self, expansion: Expansion, coefficients: Tensor) -> None:
        self.expansion, self.coefficients = expansion, coefficients

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of its coordinates."""
        return self.expansion.function.coordinates

    def __call__(self, **coordinates: Any) -> Any:
        return self._values((), coordinates)

    def derivative(self, partial: str, **coordinates: Any) -> Any:
        """Return a partial derivative such as "x" or "xx"."""
        alpha = parse_partial(partial, self.expansion.domain.names)
        if not alpha:
            names, first = ", ".join(self.coordinates), self.coordinates[0]
            raise ProblemError(f"expected a partial of {names}, such as {first!r}, got {partial!r}")
        return self._values(alpha, coordinates)

    def _values(self, alpha: tuple[int, ...], coordinates: dict[str, Any]) -> Any:
        coefficients = self.coefficients
        return at_coordinates(
            self.expansion, lambda points: self.expansion.at(points, coefficients.to(points), alpha), coordinates
        )

    def values(self, points: Array) -> Array:
        """Return the values (n,) at points (n, d) of the domain."""
        return np.asarray(self.expansion.design(points) @ self.coefficients.detach().cpu().double().numpy())

    def to_json(self) -> dict[str, list[float]]:
        """Return the values at a few points, as lists by coordinate and under "values"."""
        points = self.expansion.grid(SHOWN[len(self.coordinates)])
        axes = zip(self.coordinates, self.expansion.axes, strict=True)
        return {**{name: points[:, axis].tolist() for name, axis in axes}, "values": self.values(points).tolist()}

    def __repr__(self) -> str:
        found = self.values(self.expansion.grid(MEASURED[len(self.coordinates)]))
        names = ", ".join(self.coordinates)
        return f"{self.expansion.name}({names}), from {found.min():.6g} to {found.max():.6g}"


class Deviation:
    """One standard deviation of an unknown function at every point, ``deviation(x=xs)``, as `FoundFunction` answers.

    `factor` (J, r) gives the covariance F Fᵀ of the function's coefficients.
    """

    def __init__(self, expansion: Expansion, factor: Array) -> None:
        self.expansion, self.factor = expansion, factor

    def __call__(self, **coordinates: Any) -> Any:
        factor = torch.as_tensor(self.factor)

        def evaluate(points: Tensor) -> Tensor:
            columns, values = self.expansion.local(points)
            spread: Tensor = torch.einsum("nm,nmr->nr", values, factor.to(points)[columns]).norm(dim=1)
            return spread

        return at_coordinates(self.expansion, evaluate, coordinates)

    def values(self, points: Array) -> Array:
        """Return the values (n,) at points (n, d) of the domain."""
        return np.asarray(np.linalg.norm(self.expansion.design(points) @ self.factor, axis=1))

    def __repr__(self) -> str:
        found = self.values(self.expansion.grid(MEASURED[len(self.expansion.axes)]))
        return f"one standard deviation of {self.expansion.name}, from {found.min():.2g} to {found.max():.2g}"


def at_coordinates(expansion: Expansion, evaluate: Callable[[Tensor], Tensor], coordinates: dict[str, Any]) -> Any:
    """Return the values of a function of points (n, d) at the function's coordinates, in their broadcast shape."""
    names = expansion.function.coordinates
    for name in (*names, *coordinates):
        if name not in names:
            raise ProblemError(f"{expansion.name} has no coordinate {name!r}; {nearest(name, names)}")
        if name not in coordinates:
            raise ProblemError(f"expected the coordinates {', '.join(names)}, got no {name}")
    as_torch = any(isinstance(coordinates[name], Tensor) for name in names)
    try:
        columns = torch.broadcast_tensors(*(_tensor(coordinates[name]) for name in names))  # type: ignore[no-untyped-call]
    except RuntimeError:
        raise ProblemError(f"expected shapes that broadcast, got {coordinates!r}; a grid is x[:, None] and y") from None
    points = columns[0].new_zeros(columns[0].numel(), expansion.domain.dimension)
    places = dict(zip(expansion.axes, columns, strict=True))
    points = torch.stack([places[a].reshape(-1) if a in places else each for a, each in enumerate(points.T)], dim=1)
    found = evaluate(points).reshape(columns[0].shape)
    return found if as_torch else np.asarray(found.detach().cpu())


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value if value.is_floating_point() else value.double()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ProblemError(f"expected real numbers as coordinates, got {value!r}")
    return torch.from_numpy(np.array(array, dtype=np.float64))
