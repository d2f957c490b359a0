"""Solve problems linear in their fields by Chebyshev collocation in space and time, with least squares.

u = Σ_jk c_jk T_j T_k satisfies the equation at Chebyshev points of the interior and the conditions at those of the
faces; rows are scaled to unit length. Source: Boyd, "Chebyshev and Fourier Spectral Methods" (2001), ch. 3 and 6.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from numpy.polynomial import chebyshev

from kanpde.bench.affine import affine
from kanpde.bench.task import Evaluate
from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.geometry.domain import Domain
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem


def solve(problem: Problem, blocks: Sequence[Block], degree: int) -> Evaluate:
    """Return the least-squares solution of all blocks on a box, a polynomial of this degree in each coordinate."""
    domain, fields = problem.domain, len(problem.fields)
    nodes = np.cos(np.pi * (np.arange(degree + 2) + 0.5) / (degree + 2))
    equations = [_equations(block, problem, nodes, degree) for block in blocks]
    matrix = np.concatenate([m for m, _ in equations])
    right = np.concatenate([r for _, r in equations])
    length = np.linalg.norm(matrix, axis=1)
    matrix, right = matrix / length[:, None], right / length
    found = torch.linalg.lstsq(torch.from_numpy(matrix), torch.from_numpy(right)[:, None], driver="gels").solution
    coefficients = found.numpy().reshape(fields, -1).T
    return lambda points: basis(domain, points, (), degree) @ coefficients


def _equations(block: Block, problem: Problem, nodes: Array, degree: int) -> tuple[Array, Array]:
    """Return the rows of one block, (n, unknowns), and their right side (n,)."""
    domain = problem.domain
    size = (degree + 1) ** domain.dimension
    points, index = nodes_of(block, domain, (nodes + 1) / 2)
    placed = Placed.at(block, domain.names, torch.as_tensor(points), index)
    matrices, rights = [], []
    for component in affine(placed, len(problem.fields)):
        matrix = np.zeros((len(points), len(problem.fields) * size))
        for (image, field, partial), coefficient in component.coefficients.items():
            columns = basis(domain, placed.images[image].numpy(), partial, degree)
            matrix[:, field * size : (field + 1) * size] += coefficient[:, None] * columns
        matrices.append(matrix)
        rights.append(-component.offset)
    return np.concatenate(matrices), np.concatenate(rights)


def nodes_of(block: Block, domain: Domain, unit: Array) -> tuple[Array, torch.Tensor | None]:
    """Return tensor products of nodes in [0, 1], mapped to the domain or the block's faces, and each one's face."""
    if block.points is not None:
        return block.points, torch.arange(len(block.points))
    dimension = domain.dimension - bool(block.faces)
    cube = np.array(list(itertools.product(unit, repeat=dimension))).reshape(-1, dimension)
    if not block.faces:
        return domain.interior(cube), None
    points = np.concatenate([domain.on_face(face, cube) for face in block.faces])
    return points, torch.arange(len(block.faces)).repeat_interleave(len(cube))


def basis(domain: Domain, points: Array, partial: MultiIndex, degree: int) -> Array:
    """Return a partial derivative of all products T_j T_k … at points (n, d): (n, (degree + 1)^d)."""
    span = domain.high - domain.low
    factors = []
    for axis in range(domain.dimension):
        order = partial.count(axis)
        s = 2 * (points[:, axis] - domain.low[axis]) / span[axis] - 1
        columns = np.eye(degree + 1)
        derivatives = chebyshev.chebder(columns, order, scl=2 / span[axis]) if order else columns
        factors.append(chebyshev.chebvander(s, len(derivatives) - 1) @ derivatives)
    return reduce(lambda a, b: (a[:, :, None] * b[:, None, :]).reshape(len(points), -1), factors)
