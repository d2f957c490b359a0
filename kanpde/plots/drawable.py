"""The protocols that the figures need: kanpde.Solution satisfies them, and so does any object of the same shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kanpde.calculus.arrays import Array


class DrawableDomain(Protocol):
    """A domain: named coordinates, the bounding box from low to high, and `contains` to test points (n, d)."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def low(self) -> Array: ...
    @property
    def high(self) -> Array: ...
    @property
    def time(self) -> int | None: ...
    def contains(self, points: Array) -> Any: ...


class DrawableProblem(Protocol):
    """A problem: its domain, its fields, its parameters and, if known, the values of its solution."""

    @property
    def name(self) -> str: ...
    @property
    def domain(self) -> DrawableDomain: ...
    @property
    def fields(self) -> tuple[str, ...]: ...
    @property
    def has_equation(self) -> bool: ...
    def parameters(self) -> Mapping[str, Any]: ...
    def reference_values(self, points: Array) -> Any: ...


class DrawableNetwork(Protocol):
    """A network that returns for each layer inputs (in, m), values (in, out, m) and importance (in, out)."""

    def edge_curves(self) -> Sequence[Mapping[str, Any]]: ...


class Drawable(DrawableNetwork, Protocol):
    """A solution: callable at named coordinates, with its residual and the history of its training."""

    @property
    def problem(self) -> DrawableProblem: ...
    @property
    def history(self) -> Mapping[str, Sequence[float]]: ...
    def __call__(self, **coordinates: Any) -> Any: ...
    def residual(self, **coordinates: Any) -> Any: ...


class DrawableFormula(Protocol):
    """A formula: callable at named coordinates, written in LaTeX and in plain text."""

    @property
    def status(self) -> str: ...
    def latex_lines(self) -> list[str]: ...
    def text(self) -> str: ...
    def __call__(self, **coordinates: Any) -> Any: ...


class DrawableWithFormula(Drawable, Protocol):
    """A solution with its formula."""

    @property
    def formula(self) -> DrawableFormula: ...
