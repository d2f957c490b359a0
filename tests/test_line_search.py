"""A line search satisfies the strong Wolfe conditions."""

from __future__ import annotations

import math

import pytest
import torch

from kanpde.optim.line_search import CURVATURE, DECREASE, Point, strong_wolfe


def parabola(alpha):
    return Point(alpha, (alpha - 3.0) ** 2, 2 * (alpha - 3.0), torch.zeros(1))


LINES = {
    "a parabola": parabola,
    "far ahead": lambda a: Point(a, math.cosh(a / 100 - 2), math.sinh(a / 100 - 2) / 100, torch.zeros(1)),
    "a wall": lambda a: parabola(a) if a < 4 else Point(a, math.inf, math.nan, torch.zeros(1)),
    "no numbers beyond": lambda a: parabola(a) if a < 3.2 else Point(a, math.nan, math.nan, torch.zeros(1)),
    "waves": lambda a: Point(a, math.sin(3 * a) - a / 2, 3 * math.cos(3 * a) - 0.5, torch.zeros(1)),
}


@pytest.mark.parametrize("name", [name for name in LINES if name != "waves"])
@pytest.mark.parametrize("step", [0.01, 1.0, 50.0])
def test_a_line_search_satisfies_the_strong_wolfe_conditions(name, step):
    start = LINES[name](0.0)
    found = strong_wolfe(LINES[name], start, step)
    assert found.value <= start.value + DECREASE * found.step * start.slope and found.step > 0
    assert abs(found.slope) <= CURVATURE * abs(start.slope)


def test_a_line_search_stays_where_there_is_no_way_down():
    start = Point(0.0, 1.0, -1.0, torch.zeros(1))
    assert strong_wolfe(lambda a: Point(a, 2.0, 1.0, torch.zeros(1)), start, 1.0) is start
