"""Compute the arrays that the solution's figure shows: the solution, its reference, the error, the residual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.plots.drawable import Drawable, DrawableDomain
from kanpde.plots.slices import Slice
from kanpde.plots.style import symbol


@dataclass(frozen=True)
class Quantity:
    """One row of maps or one curve: its kind, its label, and its values on every slice."""

    kind: Literal["solution", "reference", "formula", "error", "residual"]
    label: str
    values: tuple[Array, ...]

    @property
    def logarithmic(self) -> bool:
        return self.kind in ("error", "residual")


def quantities(solution: Drawable, cuts: Sequence[Slice]) -> list[list[Quantity]]:
    """Return for each field its solution, reference and error; its solution and residual if there is no reference.

    The residual has one component for each equation, not for each field: component i is listed with field i, and
    components beyond the number of fields form rows of their own.
    """
    names = solution.problem.fields
    grids = [cut.coordinates() for cut in cuts]
    domain = solution.problem.domain
    inside = [_inside(domain, grid) for grid in grids]
    answers = [_by_field(solution(**_at(grid, mask)), names) for grid, mask in zip(grids, inside, strict=True)]
    found = [[_spread(a[n], mask) for a, mask in zip(answers, inside, strict=True)] for n in names]
    references = [_reference(solution, grid) for grid in grids]
    rows = [[Quantity("solution", symbol(n), tuple(f))] for n, f in zip(names, found, strict=True)]
    if any(r is None for r in references):
        residuals = [_components(solution.residual(**_at(g, m)), m) for g, m in zip(grids, inside, strict=True)]
        return _with_residual(rows, [tuple(r[i] for r in residuals) for i in range(len(residuals[0]))])
    for i, name in enumerate(names):
        true = [np.where(m, r[..., i], np.nan) for r, m in zip(references, inside, strict=True) if r is not None]
        errors = tuple(np.abs(u - v) for u, v in zip(found[i], true, strict=True))
        rows[i] += [
            Quantity("reference", symbol(name), tuple(true)),
            Quantity("error", _error_label(name), errors),
        ]
    return rows


def magnitude(solution: Drawable, coordinates: dict[str, Array]) -> Array:
    """Return √(Σ_f (u_f / max |u_f|)²) over the fields f, at every point."""
    values = _by_field(solution(**coordinates), solution.problem.fields).values()
    largest = [np.nanmax(np.abs(v), initial=1e-300) for v in values]
    total: Array = np.sqrt(sum((v / m) ** 2 for v, m in zip(values, largest, strict=True)))
    return total


def _with_residual(rows: list[list[Quantity]], components: list[tuple[Array, ...]]) -> list[list[Quantity]]:
    for i, values in enumerate(components):
        label = f"|residual {i + 1}|" if len(components) > 1 else "|residual|"
        if i == len(rows):
            rows.append([])
        rows[i].append(Quantity("residual", label, values))
    return rows


def _inside(domain: DrawableDomain, grid: dict[str, Array]) -> Any:
    return np.asarray(domain.contains(_points(grid)), dtype=bool).reshape(next(iter(grid.values())).shape)


def _at(grid: dict[str, Array], mask: Any) -> dict[str, Array]:
    """Return the coordinates of the points of a grid that the mask marks."""
    return {name: each[mask] for name, each in grid.items()}


def _spread(values: Array, mask: Any) -> Array:
    """Return the values at a mask's points on the whole grid, not a number elsewhere."""
    result = np.full(mask.shape, np.nan)
    result[mask] = values
    return result


def _points(grid: dict[str, Array]) -> Array:
    return np.stack([c.ravel() for c in grid.values()], axis=1)


def _by_field(answer: Any, fields: tuple[str, ...]) -> dict[str, Array]:
    """Return the values by field: a solution returns an array, or a dict by field for a system."""
    if not isinstance(answer, Mapping):
        answer = {fields[0]: answer}
    return {name: np.asarray(answer[name], dtype=np.float64) for name in fields}


def _reference(solution: Drawable, grid: dict[str, Array]) -> Array | None:
    values = solution.problem.reference_values(_points(grid))
    if values is None:
        return None
    shape = next(iter(grid.values())).shape
    return np.asarray(values, dtype=np.float64).reshape(*shape, len(solution.problem.fields))


def _components(residual: Any, mask: Any) -> list[Array]:
    """Return the magnitude of every equation's residual at a mask's points, given as one array or as several."""
    if isinstance(residual, Mapping):
        residual = list(residual.values())
    if isinstance(residual, (tuple, list)) or np.ndim(residual) > 1:
        parts = [np.asarray(r, dtype=np.float64) for r in residual]
    else:
        parts = [np.asarray(residual, dtype=np.float64)]
    return [_spread(np.abs(p), mask) for p in parts]


def _error_label(name: str) -> str:
    """Return the difference in symbols; in words if the field has a long name or a subscript."""
    return rf"error $|{name} - {name}_{{\mathrm{{ref}}}}|$" if len(name) == 1 else f"error in {symbol(name)}"
