"""Compress a solution of a problem with parts to a network for every cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.geometry.box import as_box
from kanpde.geometry.patch import over
from kanpde.marching.low_rank import INSIDE, compress
from kanpde.marching.quadrature import spread_over
from kanpde.marching.slabs import Pass
from kanpde.marching.split import Split
from kanpde.network.kan import KAN
from kanpde.network.parted import PartedNetwork
from kanpde.problem.problem import Problem


def compressed(problem: Problem, found: Pass, degree: int) -> KAN | PartedNetwork:
    """Return the network of degree `degree` of a pass, or for a split problem one for every cell, on the unit box."""
    if not isinstance(problem, Split):
        return compress(problem.domain, found, degree)
    networks = []
    for number in range(len(problem.cells)):
        fields = slice(number * problem.count, (number + 1) * problem.count)
        slabs = tuple(replace(slab, coefficients=slab.coefficients[..., fields]) for slab in found.slabs)
        networks.append(compress(problem.domain, Pass(slabs), degree, inside(problem, number)))
    return PartedNetwork(networks, problem.layout)


def inside(problem: Split, number: int) -> Array | None:
    """Return points (n, d) of the unit box inside a cell; None if all of them are."""
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
    return cell.frame.inwards(torch.as_tensor(points)).numpy()
