"""What the figures ask of a solution: met by kanpde.Solution, and by anything else of the same shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kanpde.arrays import Array


class Region(Protocol):
    """A domain: named coordinates within the box from low to high, the points inside told by `contains`."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def low(self) -> Array: ...
    @property
    def high(self) -> Array: ...
    @property
    def time(self) -> int | None: ...
    def contains(self, points: Array) -> Any: ...


class Posed(Protocol):
    """A problem: where it is posed, what is sought, and perhaps what the answer should be."""

    @property
    def name(self) -> str: ...
    @property
    def domain(self) -> Region: ...
    @property
    def fields(self) -> tuple[str, ...]: ...
    def parameters(self) -> Mapping[str, Any]: ...
    def reference_values(self, points: Array) -> Any: ...


class Wired(Protocol):
    """A network whose edges can be looked at: per layer inputs (in, m), values (in, out, m), importance (in, out)."""

    def edge_curves(self) -> Sequence[Mapping[str, Any]]: ...


class Drawable(Wired, Protocol):
    """A solution: callable at named coordinates, with its residual and the history of its training."""

    @property
    def problem(self) -> Posed: ...
    @property
    def history(self) -> Mapping[str, Sequence[float]]: ...
    def __call__(self, **coordinates: Any) -> Any: ...
    def residual(self, **coordinates: Any) -> Any: ...


class Written(Protocol):
    """A formula: callable at named coordinates, and told in LaTeX or in plain text."""

    @property
    def status(self) -> str: ...
    def latex_lines(self) -> list[str]: ...
    def text(self) -> str: ...
    def __call__(self, **coordinates: Any) -> Any: ...


class Symbolified(Drawable, Protocol):
    """A solution with its formula."""

    @property
    def formula(self) -> Written: ...
