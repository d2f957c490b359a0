"""Compress a solution to a network, or to one for every cell of a problem with parts and every few slabs of time."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import torch

from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain
from kanpde.geometry.patch import over
from kanpde.marching.continuation import INSIDE, Inside
from kanpde.marching.low_rank import compress, compress_with_functions
from kanpde.marching.quadrature import spread_over
from kanpde.marching.slabs import Pass
from kanpde.marching.split import Split
from kanpde.marching.task import MarchTask
from kanpde.network.kan import KAN
from kanpde.network.parted import PartedNetwork
from kanpde.network.slabbed import SlabbedNetwork
from kanpde.problem.evolving_part import EvolvingPart
from kanpde.problem.problem import Problem

SLABS_PER_NETWORK = {1: 16, 2: 4, 3: 1}  # of a long evolution, by the number of coordinates


def compressed(
    task: MarchTask, found: Pass, degree: int, *, slabbed: bool = False, reached: float = 1.0
) -> tuple[KAN | PartedNetwork | SlabbedNetwork, EvolvingPart | None]:
    """Return the network of degree `degree` of a pass on the unit box, for a split problem one for every cell, and the
    singular functions beside it that evolve.

    If `slabbed`, it has such a network for every few slabs, none of which crosses the share `reached` of time: what is
    held after it has a kink there, which would spoil a network before it.
    """
    if not slabbed:
        return compressed_part(task.problem, task.problem.domain, found, degree, task.device)
    count = SLABS_PER_NETWORK[task.problem.domain.dimension]
    solved = [slab for slab in found.slabs if slab.low < reached]
    groups = [Pass(tuple(solved[first : first + count])) for first in range(0, len(solved), count)]
    groups += [Pass((slab,)) for slab in found.slabs[len(solved) :]]
    domains = [task.part(group.slabs[0].low, group.slabs[-1].high) for group in groups]
    pairs = [
        compressed_part(task.problem, domain, group, degree, task.device)
        for domain, group in zip(domains, groups, strict=True)
    ]
    ends = [float(domain.high[task.time]) for domain in domains]
    beside = [part for _, part in pairs if part is not None]
    whole = reduce(EvolvingPart.followed_by, beside) if beside else None
    return SlabbedNetwork([network for network, _ in pairs], ends, task.time), whole


def compressed_part(
    problem: Problem, domain: Domain, found: Pass, degree: int, device: torch.device
) -> tuple[KAN | PartedNetwork, EvolvingPart | None]:
    """Return the network of slabs that fill a domain, which is a part of the problem's, and what evolves beside it."""
    if not isinstance(problem, Split):
        return compress_with_functions(domain, found, degree, device=device)
    networks = []
    for number in range(len(problem.cells)):
        fields = slice(number * problem.count, (number + 1) * problem.count)
        slabs = tuple(replace(slab, coefficients=slab.coefficients[..., fields]) for slab in found.slabs)
        networks.append(compress(domain, Pass(slabs), degree, inside(problem, number), device))
    return PartedNetwork(networks, problem.layout), None


def inside(problem: Split, number: int) -> Inside | None:
    """Return points of the unit box inside a cell; None if all of them are."""
    if problem.layout.aligned:
        return None
    cell = problem.cells[number]
    domain = over(cell.region, problem.whole.domain)
    unit = np.random.default_rng(0).random((INSIDE, domain.dimension))
    if as_box(domain) is not None:
        points = domain.interior(unit)
    else:
        points = spread_over(domain, unit)
        points = points[domain.contains(points)]
    return Inside(cell.frame.inwards(torch.as_tensor(points)).numpy(), domain.space)
