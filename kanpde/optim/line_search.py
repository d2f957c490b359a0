"""A line search for the strong Wolfe conditions.

Along a direction p of descent, φ(α) = f(θ + α p), an α is sought with

    φ(α) ≤ φ(0) + c₁ α φ'(0)   and   |φ'(α)| ≤ c₂ |φ'(0)|

(Nocedal and Wright, "Numerical Optimization", 2nd ed., algorithms 3.5 and 3.6; cubic interpolation by eq. (3.59)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

DECREASE, CURVATURE = 1e-4, 0.9  # c₁ and c₂, as is usual for quasi-Newton methods
GROWTH = 4.0  # of the step while the minimum lies ahead
MARGIN = 0.1  # how far inside a bracket, as a share of it, the next step is kept


@dataclass(frozen=True)
class Point:
    """A step α along the line, φ(α), φ'(α), and the gradient there."""

    step: float
    value: float
    slope: float
    gradient: Tensor


def strong_wolfe(evaluate: Callable[[float], Point], start: Point, step: float, evaluations: int = 20) -> Point:
    """A point that satisfies the conditions, or after so many evaluations the lowest that decreases enough.

    It is `start`, whose step is 0, where none does. Numbers that are not finite count as too high.
    """
    before, count = start, 0
    while count < evaluations:
        point = evaluate(step)
        count += 1
        if not_lower(point, start) or (count > 1 and point.value >= before.value):
            return zoom(evaluate, start, before, point, evaluations - count)
        if abs(point.slope) <= -CURVATURE * start.slope:
            return point
        if point.slope >= 0:
            return zoom(evaluate, start, point, before, evaluations - count)
        before, step = point, GROWTH * step
    return before


def zoom(evaluate: Callable[[float], Point], start: Point, low: Point, high: Point, evaluations: int) -> Point:
    """A point that satisfies the conditions between `low`, the best so far, and `high`."""
    for _ in range(evaluations):
        point = evaluate(between(low, high))
        if not_lower(point, start) or point.value >= low.value:
            high = point
            continue
        if abs(point.slope) <= -CURVATURE * start.slope:
            return point
        if point.slope * (high.step - low.step) >= 0:
            high = low
        low = point
    return low


def not_lower(point: Point, start: Point) -> bool:
    """Whether the first condition fails."""
    return not point.value <= start.value + DECREASE * point.step * start.slope


def between(low: Point, high: Point) -> float:
    """The minimum of the cubic through both points, kept inside the bracket; its middle where there is none."""
    width = high.step - low.step
    first = low.slope + high.slope - 3 * (low.value - high.value) / (low.step - high.step)
    square = first * first - low.slope * high.slope
    if not math.isfinite(square):
        return low.step + MARGIN * width
    second = math.copysign(math.sqrt(max(square, 0.0)), width)
    divisor = high.slope - low.slope + 2 * second
    if square < 0 or divisor == 0:
        return low.step + width / 2
    found = high.step - width * (high.slope + second - first) / divisor
    ends = sorted((low.step + MARGIN * width, high.step - MARGIN * width))
    return min(max(found, ends[0]), ends[1])
