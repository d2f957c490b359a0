"""Compress a solution of a problem with parts to a network for every cell."""

from __future__ import annotations

from dataclasses import replace

from kanpde.geometry.domain import Domain
from kanpde.geometry.patch import over
from kanpde.marching.axes import Axis
from kanpde.marching.low_rank import compress
from kanpde.marching.quadrature import scaled
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.split import Split
from kanpde.network.kan import KAN
from kanpde.network.parted import PartedNetwork
from kanpde.problem.problem import Problem


def compressed(problem: Problem, found: Pass, degree: int) -> KAN | PartedNetwork:
    """Return the network of degree `degree` of a pass, or for a split problem one for every cell."""
    if not isinstance(problem, Split):
        return compress(problem.domain, found, degree)
    domains = [over(cell.region, problem.whole.domain) for cell in problem.cells]
    passes = [pass_of_cell(problem, found, number, domain) for number, domain in enumerate(domains)]
    networks = [compress(domain, own, degree) for domain, own in zip(domains, passes, strict=True)]
    return PartedNetwork(networks, problem.layout)


def pass_of_cell(problem: Split, found: Pass, number: int, domain: Domain) -> Pass:
    """Return the fields of a cell as a pass on the cell's own domain."""
    moved: dict[int, Axis] = {}  # slabs share their axes

    def own(axis: Axis, a: int) -> Axis:
        if a not in problem.whole.domain.space:
            return axis
        if id(axis) not in moved:
            moved[id(axis)] = scaled(axis, domain.low[a], domain.high[a])
        return moved[id(axis)]

    fields = slice(number * problem.count, (number + 1) * problem.count)

    def slab_of_cell(slab: Slab) -> Slab:
        axes = tuple(own(axis, a) for a, axis in enumerate(slab.axes))
        return replace(slab, axes=axes, coefficients=slab.coefficients[..., fields])

    return Pass(tuple(slab_of_cell(slab) for slab in found.slabs))
