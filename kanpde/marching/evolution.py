"""The problems that can be solved slab by slab in time, and the part of the domain that belongs to a slab."""

from __future__ import annotations

from kanpde.geometry.box import Box, as_box
from kanpde.geometry.domain import Domain
from kanpde.geometry.shape import Product
from kanpde.problem.problem import Problem


def evolves(problem: Problem) -> bool:
    """Return True if the problem can be solved slab by slab in time.

    Each field must have initial conditions for all its time derivatives below the highest one in the equation. No other
    condition may hold at a single time, and there must be no measurements and no unknown constants.
    """
    time = problem.domain.time
    if time is None or problem.unknowns:
        return False
    starts = {name: c for name, c in problem.conditions().items() if c.is_start}
    blocks = problem.blocks(hard=True)
    for block in blocks:
        if block.points is not None or (block.name not in starts and any(time in f.axes for f in block.faces)):
            return False
    initial = {
        (field, value.order)
        for condition in starts.values()
        for value in condition.boundary_values(problem)
        for field in condition.field_indices(problem)
    }
    for field, partials in blocks[0].partials.items():
        order = max((p.count(time) for p in partials), default=0)
        if any((field, m) not in initial for m in range(order)):
            return False
    return bool(starts)


def part_of(problem: Problem, slabbed: bool, low: float, high: float) -> Domain:
    """Return the domain; if `slabbed`, the part of it between two shares of time."""
    domain = problem.domain
    if not slabbed:
        return domain
    product = domain if isinstance(domain, Product) else None
    whole = as_box(domain if product is None else product.box)
    assert whole is not None
    bounds = whole.bounds()
    start, end = bounds["t"]
    bounds["t"] = (start + (end - start) * low, end if high == 1.0 else start + (end - start) * high)
    return Box(**bounds) if product is None else product.shape * Box(**bounds)
