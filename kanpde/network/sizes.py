"""The sizes of a network: default ones, and the checks of those that a user gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.errors import ConfigurationError, among, nearest

Width = int | Sequence[int]
T = TypeVar("T")

# The limits of sizes: splines of higher degrees lose all digits, and larger networks exceed time and memory.
MAX_DEGREE, MAX_INTERVALS, MAX_NODES, MAX_COEFFICIENTS = 30, 10_000, 2000, 10**7

# Default sizes by the number of coordinates: (sums, products) of the hidden layers, and the intervals of all layers.
# Equations linear in the fields have solutions that are short sums of products; solutions of the others have fronts,
# which compositions represent better. Five coordinates would need three layers of products, which oscillate between
# the points, so all networks of five and more coordinates are compositions.
PRODUCT_SIZES: Mapping[int, tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = {
    1: (((2, 1),), (16, 4)),
    2: (((0, 6),), (12, 2)),
    3: (((0, 8), (0, 4)), (8, 3, 2)),
    4: (((0, 8), (0, 4)), (5, 3, 2)),
}
COMPOSITION_SIZES: Mapping[int, tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = {
    1: (((2, 1),), (16, 4)),
    2: (((5, 0), (5, 0), (5, 0)), (12, 8, 8, 8)),
    3: (((6, 0), (6, 0)), (10, 8, 8)),
    4: (((6, 0), (6, 0)), (8, 6, 6)),
    5: (((5, 0), (5, 0)), (2, 4, 4)),
    6: (((5, 0), (5, 0)), (2, 4, 4)),
}
# Sizes for nonlinear equations of third or higher order in two coordinates, whose dispersive waves need wider layers.
DISPERSIVE_SIZES = (((6, 0), (6, 0), (6, 0)), (10, 6, 6, 6))


def node_counts(width: Width) -> tuple[int, int]:
    """Return (sums, products) of one entry of `width`; raise ConfigurationError if it is no valid entry."""
    if isinstance(width, int) and not isinstance(width, bool):
        sums, products = width, 0
    elif (
        isinstance(width, Sequence)
        and len(width) == 2
        and all(isinstance(w, int) and not isinstance(w, bool) for w in width)
    ):
        sums, products = width
    else:
        raise ConfigurationError(
            f"expected network.width entries like 5 or (4, 2), got {width!r}; give sum and product nodes"
        )
    if sums < 0 or products < 0 or sums + products == 0:
        raise ConfigurationError(f"expected a layer of network.width to have at least one node, got {width!r}")
    if sums + products > MAX_NODES:
        raise ConfigurationError(f"expected a layer of network.width to have at most {MAX_NODES} nodes, got {width!r}")
    return sums, products


def per_layer(intervals: int | Sequence[int], layers: int | None) -> tuple[int, ...]:
    """Return the number of intervals of each layer; `layers` is None if the number of layers is not known yet.

    Raises ConfigurationError for numbers below one and for a list of another length.
    """
    if isinstance(intervals, int):
        return (require_whole("intervals", intervals, 1, MAX_INTERVALS),) * (layers or 1)
    counts = tuple(require_whole("intervals", n, 1, MAX_INTERVALS) for n in require_list("intervals", intervals))
    if layers is not None and len(counts) != layers:
        raise ConfigurationError(f"expected {layers} entries in network.intervals, one a layer, got {len(counts)}")
    return counts


def require_list(name: str, values: Sequence[T]) -> Sequence[T]:
    """Return the values; raise ConfigurationError if they are not a list or a tuple."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ConfigurationError(f"expected network.{name} to be a list such as [5, 5], got {values!r}")
    return values


def require_whole(name: str, value: object, least: int, most: int) -> int:
    """Return the value; raise ConfigurationError if it is not a whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"expected network.{name} to be a whole number of at least {least}, got {value!r}")
    if value > most:
        raise ConfigurationError(f"expected network.{name} to be at most {most}, got {value}")
    return value


def check_size(width: Sequence[tuple[int, int]], intervals: Sequence[int], degree: int) -> None:
    """Raise ConfigurationError if the edges between the layers have too many coefficients for a computer's memory.

    `width` has (sums, products) of the inputs, of every layer and of the outputs. A product takes two edges an input.
    """
    pairs = zip(width, width[1:], intervals, strict=False)
    count = sum(sum(below) * (sums + 2 * products) * (n + degree) for below, (sums, products), n in pairs)
    if count > MAX_COEFFICIENTS:
        raise ConfigurationError(
            f"expected a network of at most {MAX_COEFFICIENTS:.0e} coefficients, got {count:.1e}; "
            "reduce network.width, network.intervals or network.degree"
        )


def require_names(name: str, value: str | Sequence[str], known: Mapping[str, object]) -> str | tuple[str, ...]:
    """Return one name, or one for each layer; raise ConfigurationError if a name is unknown."""
    if isinstance(value, str):
        names: Sequence[str] = (value,)
    else:
        value = names = tuple(require_list(name, value))
    if not isinstance(value, str) and not value:
        raise ConfigurationError(f"unknown family of edge functions {value!r}; {nearest('', known)}")
    for one in names:
        if not among(one, known):
            raise ConfigurationError(f"unknown family of edge functions {one!r}; {nearest(one, known)}")
    return value


def require_ends(low: object, high: object) -> tuple[Array, Array]:
    """Return the ends of the coordinates, (d,) each; raise ConfigurationError if they span no intervals."""
    try:
        ends = np.atleast_1d(np.asarray(low, dtype=np.float64)), np.atleast_1d(np.asarray(high, dtype=np.float64))
    except (TypeError, ValueError):
        ends = np.full(1, np.nan), np.full(1, np.nan)
    if ends[0].shape != ends[1].shape or ends[0].ndim != 1 or not np.isfinite(ends).all() or (ends[0] >= ends[1]).any():
        raise ConfigurationError(
            f"expected low and high with a finite number for each coordinate, low < high, got {low!r} and {high!r}"
        )
    return ends
