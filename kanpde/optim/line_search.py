"""A line search for the strong Wolfe conditions.

Along a descent direction p, with φ(α) = f(θ + α p), the search returns an α with

    φ(α) ≤ φ(0) + c₁ α φ'(0)   and   |φ'(α)| ≤ c₂ |φ'(0)|

(Nocedal and Wright, "Numerical Optimization", 2nd ed., algorithms 3.5 and 3.6; cubic interpolation by eq. (3.59)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

DECREASE, CURVATURE = 1e-4, 0.9  # c₁ and c₂, the usual values in quasi-Newton methods
GROWTH = 4.0  # factor on the step until it brackets a minimum
MARGIN = 0.1  # smallest distance of a trial step from the ends of its bracket, as a share of the bracket


@dataclass(frozen=True)
class Point:
    """A step α along the line, the value φ(α), the slope φ'(α) and the gradient (P,) at that step."""

    step: float
    value: float
    slope: float
    gradient: Tensor


def strong_wolfe(evaluate: Callable[[float], Point], start: Point, step: float, evaluations: int = 20) -> Point:
    """Return a point that satisfies both conditions; after `evaluations` the lowest one that satisfies the first.

    Return `start`, whose step is 0, if no point satisfies the first. A value that is not finite fails it.
    """
    before, count = start, 0
    while count < evaluations:
        point = evaluate(step)
        count += 1
        if decreases_too_little(point, start) or (count > 1 and point.value >= before.value):
            return zoom(evaluate, start, before, point, evaluations - count)
        if abs(point.slope) <= -CURVATURE * start.slope:
            return point
        if point.slope >= 0:
            return zoom(evaluate, start, point, before, evaluations - count)
        before, step = point, GROWTH * step
    return before


def zoom(evaluate: Callable[[float], Point], start: Point, low: Point, high: Point, evaluations: int) -> Point:
    """Return a point that satisfies the conditions between `low`, the lowest so far, and `high`; else the lowest."""
    for _ in range(evaluations):
        point = evaluate(cubic_minimum(low, high))
        if decreases_too_little(point, start) or point.value >= low.value:
            high = point
            continue
        if abs(point.slope) <= -CURVATURE * start.slope:
            return point
        if point.slope * (high.step - low.step) >= 0:
            high = low
        low = point
    return low


def decreases_too_little(point: Point, start: Point) -> bool:
    """Return True if the first condition fails."""
    return not point.value <= start.value + DECREASE * point.step * start.slope


def cubic_minimum(low: Point, high: Point) -> float:
    """Return the minimum of the cubic interpolant of both points, clipped to the bracket; its middle if none exists."""
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
