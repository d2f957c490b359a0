"""Samples as users give them: arrays, tensors or tables, split into training and held-out points."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError, short
from kanpde.problem.regression import DataBox, Regression

FEW = 100  # samples below which none are held out by default
SMALLEST, LARGEST = 1e-30, 1e30  # sizes of samples whose squares and quotients single precision has
APART = 1e-4  # range relative to the size that leaves a few digits of single precision
SHARE = 0.2  # share of the samples that is held out by default


def regression(
    x: Any,
    y: Any,
    *,
    validation: float | None,
    seed: int,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Regression:
    """Return the problem of the samples x (n, d) or (n,) and y (n,) or (n, m), with a share of them held out at random.

    `names` are those of the coordinates and of the fields; by default a table's columns name them. Raises ProblemError
    if a shape is wrong or a number not finite.
    """
    points, values = array("x", x), array("y", y)
    points = points[:, None] if points.ndim == 1 else points
    values = values[:, None] if values.ndim == 1 else values
    if points.ndim != 2 or values.ndim != 2 or len(points) != len(values) or not points.size or not values.size:
        raise ProblemError(
            f"fit expects x of shape (n, d) and y of shape (n,) or (n, m), got {points.shape} and {values.shape}; give "
            "one row for each sample"
        )
    share = (SHARE if len(points) >= FEW else 0.0) if validation is None else float(validation)
    count = min(round(share * len(points)), len(points) - 1)
    order = np.random.default_rng(seed).permutation(len(points))
    out, kept = np.sort(order[:count]), np.sort(order[count:])
    of_inputs, of_values = (column_names(x), column_names(y)) if names is None else names
    coordinates = plain_words(of_inputs, "x", points.shape[1], ())
    fields = plain_words(of_values, "y", values.shape[1], coordinates)
    return Regression(
        DataBox.around(coordinates, points),
        points[kept],
        values[kept],
        fields,
        held_out_points=points[out],
        held_out_values=values[out],
    )


def require_precision(problem: Regression, dtype: torch.dtype) -> None:
    """Raise ProblemError if numbers of single precision cannot hold the samples or tell them apart."""
    if dtype != torch.float32:
        return
    columns = zip((*problem.domain.names, *problem.fields), (*problem.points.T, *problem.values.T), strict=True)
    for name, column in columns:
        largest, extent = float(np.abs(column).max()), float(np.ptp(column))
        if largest and not (SMALLEST <= largest <= LARGEST and (extent == 0 or extent >= APART * largest)):
            raise ProblemError(
                f"expected values of {name} that float32 holds and tells apart, got a size of {largest:.1e} and a "
                f"range of {extent:.1e}; shift and scale them, or use dtype float64"
            )


def array(what: str, given: Any) -> Array:
    """Return the given numbers in double precision; raise ProblemError if they are no finite real numbers."""
    try:
        found = np.array(given.detach().cpu() if isinstance(given, Tensor) else given)
        if found.dtype.kind not in "biufO" or given is None:
            raise TypeError
        numbers = found.astype(np.float64)
    except (TypeError, ValueError):
        raise ProblemError(f"fit expects {what} as an array of real numbers, got {short(given)}") from None
    if not np.isfinite(numbers).all():
        raise ProblemError(f"fit expects finite numbers in {what}, got NaN or infinity; leave such samples out")
    return numbers


def column_names(table: Any) -> list[str] | None:
    """Return the names of a table's columns, or of a series; None if there are none."""
    columns = getattr(table, "columns", None)
    names = [getattr(table, "name", None)] if columns is None else list(columns)
    return [str(name) for name in names] if all(isinstance(name, str) for name in names) else None


def plain_words(names: Sequence[str] | None, letter: str, count: int, taken: Sequence[str]) -> tuple[str, ...]:
    """Return `count` different names that an equation may contain, as close to the given ones as possible."""
    if names is None:
        names = [letter] if count == 1 else [f"{letter}{i + 1}" for i in range(count)]
    found: list[str] = []
    for name in names:
        word = re.sub(r"\W", "_", name, flags=re.ASCII) or letter
        word = f"{letter}_{word}" if word[0].isdigit() or keyword.iskeyword(word) or word == "d" else word
        while word in (*found, *taken):
            word += "_"
        found.append(word)
    return tuple(found)
