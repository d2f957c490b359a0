"""Alternatives to the network as the input of the search for a formula: finite differences and a perceptron."""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.interpolate
import scipy.sparse
import scipy.spatial
import torch
from scipy.sparse.linalg import spsolve

from kanpde.collocation.sampling import sample
from kanpde.problem.block import Block, Side
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

POINTS = {1: 401, 2: 49, 3: 17}  # of the grid, along each axis


def sides(problem: Problem, images: Sequence[Any], lookups: Sequence[Any]) -> tuple[Side, ...]:
    """Return one side for each image; `lookups` has one function (field, partial) -> values for each image."""
    fields = list(enumerate(problem.fields))
    return tuple(
        Side(image, tuple(Field(f, problem.domain.names, functools.partial(lookup, i)) for i, f in fields))
        for image, lookup in zip(images, lookups, strict=True)
    )


class FiniteDifferences:
    """Second-order finite differences on a tensor grid, time included, solved by Gauss-Newton for all rows.

    Values between the grid's points are interpolated by splines of degree 5.
    """

    def __init__(self, problem: Problem, steps: int = 15) -> None:
        self.problem, domain = problem, problem.domain
        count = POINTS[domain.dimension]
        self.axes = [np.linspace(low, high, count) for low, high in zip(domain.low, domain.high, strict=True)]
        self.points = np.stack([c.ravel() for c in np.meshgrid(*self.axes, indexing="ij")], axis=1)
        self.values = np.zeros((len(problem.fields), len(self.points)))
        parts = [(block, *self._places(block)) for block in problem.blocks(hard=True)]
        for _ in range(steps):
            rows, matrix = self._stacked(parts)
            normal = (matrix.T @ matrix + 1e-12 * scipy.sparse.eye(matrix.shape[1])).tocsc()
            step = spsolve(normal, -matrix.T @ rows).reshape(self.values.shape)
            before = self.values
            for share in 0.5 ** np.arange(8):
                self.values = before + share * step
                if np.linalg.norm(self._stacked(parts)[0]) < np.linalg.norm(rows):
                    break
            if np.linalg.norm(step) < 1e-9 * np.linalg.norm(self.values):
                break
        # The relative error of second-order differences for a solution with a length scale of half the domain.
        self.estimate = float((2.0 / count) ** 2)
        shape = [count] * domain.dimension
        self._splines = [scipy.interpolate.NdBSpline(*_spline(self.axes, u.reshape(shape))) for u in self.values]

    def evaluate(self, points: np.ndarray, partial: tuple[int, ...] = ()) -> np.ndarray:
        orders = [partial.count(axis) for axis in range(points.shape[1])]
        return np.stack([spline(points, nu=orders) for spline in self._splines], axis=1)

    def _stacked(self, parts: Sequence[Any]) -> tuple[Any, Any]:
        rows, matrices = zip(*(self._linear(*part) for part in parts), strict=True)
        return np.concatenate(rows), scipy.sparse.vstack(matrices).tocsr()

    def _places(self, block: Block) -> tuple[list[np.ndarray], torch.Tensor | None]:
        """Return the indices of the grid points of the block's images, and the index of each point's face."""
        domain, every = self.problem.domain, np.arange(len(self.points))
        if not block.faces:
            inside = np.all((self.points > domain.low) & (self.points < domain.high), axis=1)
            return [every[inside]], None
        bounds = [(domain.low if face.side < 0 else domain.high)[face.axis] for face in block.faces]
        on = [every[self.points[:, face.axis] == bound] for face, bound in zip(block.faces, bounds, strict=True)]
        index = torch.as_tensor(np.repeat(np.arange(len(on)), [len(part) for part in on]))
        places = np.concatenate(on)
        images = block.images(torch.as_tensor(self.points[places]))
        tree = scipy.spatial.cKDTree(self.points)
        return [tree.query(np.array(image))[1] for image in images], index

    def _linear(self, block: Block, places: list[np.ndarray], index: torch.Tensor | None) -> tuple[Any, Any]:
        """Return the block's rows and their Jacobian by the grid values, both divided by the size of its rows."""
        leaves: dict[tuple[int, int, tuple[int, ...]], torch.Tensor] = {}

        def lookup(image: int, field: int, partial: tuple[int, ...]) -> torch.Tensor:
            if (image, field, partial) not in leaves:
                found = (self._operator(partial) @ self.values[field])[places[image]]
                leaves[image, field, partial] = torch.tensor(found, requires_grad=True)
            return leaves[image, field, partial]

        images = [torch.as_tensor(self.points[place]) for place in places]
        given = {name: torch.tensor(float(v), dtype=torch.float64) for name, v in self.problem.unknowns.items()}
        lookups = [functools.partial(lookup, i) for i in range(len(images))]
        rows = block.evaluate(sides(self.problem, images, lookups), index, given)
        matrices = []
        for row in rows:
            slopes = torch.autograd.grad(row.sum(), [*leaves.values()], retain_graph=True, allow_unused=True)
            total = scipy.sparse.csr_matrix((len(row), self.values.size))
            for (image, field, partial), slope in zip(leaves, slopes, strict=True):
                if slope is not None:
                    part = scipy.sparse.diags(slope.numpy()) @ self._operator(partial)[places[image]]
                    before = scipy.sparse.csr_matrix((len(row), field * len(self.points)))
                    after = scipy.sparse.csr_matrix((len(row), self.values.size - (field + 1) * len(self.points)))
                    total = total + scipy.sparse.hstack([before, part, after])
            matrices.append(total)
        matrix = scipy.sparse.vstack(matrices).tocsr()
        size = max(float(np.sqrt(matrix.multiply(matrix).sum() / matrix.shape[0])), 1e-300)
        return rows.detach().numpy().ravel() / size, matrix / size

    @functools.lru_cache(maxsize=64)  # noqa: B019
    def _operator(self, partial: tuple[int, ...]) -> Any:
        """Return the matrix of a partial derivative on the whole grid."""
        factors = [derivative(axis, partial.count(number)) for number, axis in enumerate(self.axes)]
        return functools.reduce(lambda a, b: scipy.sparse.kron(a, b, format="csr"), factors)


def derivative(nodes: np.ndarray, order: int) -> Any:
    """Return the matrix of second-order differences on equidistant nodes, central inside and one-sided at the ends."""
    if order == 0:
        return scipy.sparse.eye(len(nodes), format="csr")
    matrix = scipy.sparse.lil_matrix((len(nodes), len(nodes)))
    half = (order + 1) // 2
    for i in range(len(nodes)):
        inside = half <= i < len(nodes) - half
        first = i - half if inside else min(max(i - half, 0), len(nodes) - order - 2)
        chosen = np.arange(first, first + (2 * half + 1 if inside else order + 2))
        powers = np.vander(nodes[chosen] - nodes[i], increasing=True).T
        matrix[i, chosen] = np.linalg.solve(powers, np.eye(len(chosen))[order] * float(np.prod(range(1, order + 1))))
    return matrix.tocsr()


def _spline(axes: list[np.ndarray], values: np.ndarray) -> tuple[Any, Any, int]:
    """Return knots, coefficients and degree of the tensor spline that interpolates the values."""
    knots = []
    for axis, nodes in enumerate(axes):
        spline = scipy.interpolate.make_interp_spline(nodes, values, k=5, axis=axis)
        knots.append(spline.t)
        values = np.moveaxis(spline.c, 0, axis)
    return tuple(knots), values, 5


class Perceptron:
    """A perceptron of 3 x 32 tanh in double precision, trained with L-BFGS on the same rows for `seconds`."""

    def __init__(self, problem: Problem, seed: int, seconds: float) -> None:
        torch.manual_seed(seed)
        self.problem, domain = problem, problem.domain
        widths = [domain.dimension, 32, 32, 32, len(problem.fields)]
        layers = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in itertools.pairwise(widths)]
        self.network = torch.nn.Sequential(*[m for layer in layers for m in (layer, torch.nn.Tanh())][:-1])
        self._low, self._length = torch.as_tensor(domain.low.copy()), torch.as_tensor(domain.high - domain.low)
        parts = []
        generator = np.random.default_rng(seed)
        for block in problem.blocks(hard=True):
            drawn = sample(block, domain, 1000 if not block.faces else 200 * len(block.faces), "sobol", generator)
            parts.append((block, torch.as_tensor(np.array(drawn.points)), drawn.index))
        self.estimate = np.inf
        optimiser = torch.optim.LBFGS(self.network.parameters(), max_iter=20, line_search_fn="strong_wolfe")
        start = time.monotonic()

        def loss() -> torch.Tensor:
            optimiser.zero_grad()
            total = sum(self._mean_square(*part) for part in parts)
            total.backward()
            return total.detach()

        while time.monotonic() - start < seconds:
            self.estimate = math.sqrt(float(optimiser.step(loss)))

    def evaluate(self, points: np.ndarray, partial: tuple[int, ...] = ()) -> np.ndarray:
        lookup = self._lookup(torch.tensor(points))
        fields = range(len(self.problem.fields))
        return np.stack([lookup(i, partial).detach().numpy() for i in fields], axis=1)

    def _lookup(self, points: torch.Tensor) -> Any:
        inputs = points.detach().clone().requires_grad_()
        values = self.network(2 * (inputs - self._low) / self._length - 1)
        known: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}

        def lookup(field: int, partial: tuple[int, ...]) -> torch.Tensor:
            if not partial:
                return values[:, field]
            if (field, partial) not in known:
                below = lookup(field, partial[:-1])
                (gradient,) = torch.autograd.grad(below.sum(), inputs, create_graph=True)
                known[field, partial] = gradient[:, partial[-1]]
            return known[field, partial]

        return lookup

    def _mean_square(self, block: Block, points: torch.Tensor, index: Any) -> torch.Tensor:
        images = block.images(points)
        given = {name: torch.tensor(float(v), dtype=torch.float64) for name, v in self.problem.unknowns.items()}
        chosen = None if index is None else torch.as_tensor(index)
        built = sides(self.problem, images, [self._lookup(image) for image in images])
        return block.evaluate(built, chosen, given).square().mean()
