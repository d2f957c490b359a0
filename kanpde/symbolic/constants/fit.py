"""The constants of an ansatz, fitted to the equation and its conditions by least squares in double precision.

    minimise  Σ_b mean_n (r_bn(c) / s_b)²

over the constants c, with r_b the rows of the equation and of every condition at quasi-random points and s_b the size
of their terms. An ansatz that can solve the problem ends at round-off, any other ends decades above it: this gap
identifies a solution, and closeness to a network does not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
import torch
from scipy.optimize import least_squares
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.expressions import real_expression, symbols, torch_functions
from kanpde.collocation.rows import (
    Placed,
    Slope,
    scale_of_condition,
    scale_of_equation,
    sizes_of_terms,
    usable_scale,
)
from kanpde.collocation.sampling import samples
from kanpde.errors import ProblemError
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

Key = tuple[int, MultiIndex]  # a partial of a field, by its number
INTERIOR, BOUNDARY = 96, 32  # points inside the domain, and points of each face
# The largest singular value that is round-off, relative to the largest of all.
NULL = 1e-9
# The smallest size of a constant by which steps are scaled.
LEAST = 1e-2
# The relative decrease of the squares in one step below which a fit ends.
STALLED = 1e-6
# The largest change of rows of size one that is round-off.
ROUND_OFF = 1e-14


@dataclass(frozen=True)
class Fit:
    """Constants and how well they solve the problem.

    `residual` is the relative root mean square over all blocks and `residuals` that of each block, NaN if the ansatz is
    not finite. `spread` is the uncertainty of each constant that the rows allow. `undetermined` are directions in the
    constants that change the fields but no row: conditions are missing. `redundant` directions do not even change the
    fields. A change δ of the constants changes the rows by ‖certainty δ‖ times their norm, with a triangle (P, P).
    """

    constants: dict[str, float]
    residual: float
    residuals: dict[str, float]
    spread: dict[str, float] = field(default_factory=dict)
    undetermined: tuple[dict[str, float], ...] = ()
    redundant: tuple[dict[str, float], ...] = ()
    certainty: Array | None = field(default=None, compare=False)


@dataclass(frozen=True)
class _Part:
    """A block with its points; `places` are the places of each image's points among all points."""

    placed: Placed
    places: tuple[slice, ...]

    @property
    def keys(self) -> list[Key]:
        partials = self.placed.block.partials
        return [(f, partial) for f, wanted in sorted(partials.items()) for partial in sorted(wanted)]


@dataclass(frozen=True)
class _Evaluated:
    """A formula with given constants, a trial function at points where its partials (K, N) are known.

    `slopes` (P, K, N) are their derivatives by the constants; `place` is the number of every partial.
    """

    values: Tensor
    slopes: Tensor
    place: Mapping[Key, int]
    fields: int
    unknowns: Mapping[str, Tensor]

    def jets(self, prepared: tuple[_Part, slice]) -> Tensor:
        """Return the jets (n, S, f) of a block at one of its images, zero for partials that the block does not need."""
        part, place = prepared
        return self._jet(part, self.values[:, place])

    def typical(self, part: _Part, inside: slice) -> Tensor:
        """Return the root mean square (S, f) of the partials inside the domain."""
        return self._jet(part, self.values[:, inside].square().mean(dim=1).sqrt()[:, None])[0]

    def _jet(self, part: _Part, values: Tensor) -> Tensor:
        plan = part.placed.plan
        jet = values.new_zeros(values.shape[1], len(plan), self.fields)
        for f, partial in part.keys:
            jet[:, plan.index[partial], f] = values[self.place[f, partial]]
        return jet

    def pulled(self, part: _Part, slope: Slope) -> Tensor:
        """Return the derivatives (P, rows) of rows by the constants, without the explicit ones by the unknowns."""
        total = torch.zeros(len(self.slopes), len(part.placed.images[0]), dtype=self.slopes.dtype)
        for place, by_jet in zip(part.places, slope.by_jets, strict=True):
            for f, partial in part.keys:
                adjoint = by_jet[:, part.placed.plan.index[partial], f]
                # An absent term is 0, even if a derivative by a constant is infinite.
                if adjoint.any():
                    total = total + adjoint * self.slopes[:, self.place[f, partial], place]
        return part.placed.collected(total)


class LeastSquares:
    """The rows of a problem at fixed points, computed once and shared by the fits of many ansätze."""

    def __init__(self, problem: Problem, seed: int = 0, interior: int = INTERIOR, boundary: int = BOUNDARY) -> None:
        self.problem, self.names = problem, problem.domain.names
        blocks, generator = problem.blocks(hard=True), np.random.default_rng(seed)

        def count(block: Block) -> int:
            return boundary * max(1, len(block.faces)) if block.faces else interior

        self.parts: list[_Part] = []
        points: list[Tensor] = []
        for block, drawn in zip(blocks, samples(blocks, problem.domain, count, generator), strict=True):
            placed = Placed.at(block, self.names, *drawn.tensors(torch.zeros((), dtype=torch.float64)))
            starts = np.cumsum([sum(map(len, points)), *map(len, placed.images)])
            places = tuple(slice(int(a), int(b)) for a, b in zip(starts[:-1], starts[1:], strict=True))
            self.parts.append(_Part(placed, places))
            points += placed.images
        self.points = torch.cat(points)

    @cached_property
    def keys(self) -> list[Key]:
        """Every partial of a field that a block needs, and the values."""
        return sorted({key for part in self.parts for key in part.keys} | {(f, ()) for f in range(self.fields)})

    @property
    def fields(self) -> int:
        return len(self.problem.fields)

    @cached_property
    def at_zero(self) -> list[Tensor]:
        """The rows (c, n) of every block if all fields are zero."""
        rows = _Rows(self, [sp.S.Zero] * self.fields, started({}, self.problem))
        zero = rows.at(rows.start)
        return [part.placed.rows_of(zero, [(part, place) for place in part.places]) for part in self.parts]

    @cached_property
    def homogeneous(self) -> bool:
        """Whether the fields 0 solve the problem."""
        return all(bool((each == 0).all()) for each in self.at_zero)

    def fit(self, ansatz: Any, constants: Mapping[Any, float], evaluations: int = 60, rounds: int = 2) -> Fit:
        """Fit the constants from their starting values; see :func:`refit`."""
        rows = _Rows(self, expressions_of(ansatz, self.problem), started(constants, self.problem))
        vector = rows.start
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            if not np.isfinite(rows.scaled(vector)).all():
                return rows.failed()
            for _ in range(rounds if len(vector) else 0):
                rows.measure(vector)
                before, vector = vector, _solved(rows, vector, evaluations)
                if np.allclose(before, vector, rtol=1e-13, atol=1e-300):
                    break
            rows.measure(vector)
            return rows.summary(vector)


def refit(
    ansatz: Any, constants: Mapping[Any, float], problem: Problem | LeastSquares, *, evaluations: int = 60
) -> Fit:
    """Fit the constants of an ansatz to a problem, or to rows that exist already.

    `ansatz` is a SymPy expression in the coordinates and the constants, or a dict of expressions by field; `constants`
    maps each constant (a symbol or its name) to its starting value. Unknowns of the problem are fitted too. Raises
    ProblemError if a symbol is neither a coordinate nor a constant, or a function has no numerical counterpart.
    """
    return (problem if isinstance(problem, LeastSquares) else LeastSquares(problem)).fit(ansatz, constants, evaluations)


def started(constants: Mapping[Any, float], problem: Problem) -> dict[str, float]:
    """Return the constants and the problem's unknowns by name; raise ProblemError if a name is a coordinate's."""
    named = {str(name): float(value) for name, value in constants.items()}
    for name in named:
        if name in problem.domain.names:
            raise ProblemError(f"expected names of constants other than the coordinates', got {name!r}; rename it")
    return {**{name: float(value) for name, value in problem.constants.items()}, **named}


def expressions_of(ansatz: Any, problem: Problem) -> tuple[Any, ...]:
    """Return one expression per field, in the order of the fields; raise ProblemError if they do not match."""
    fields = problem.fields
    if not isinstance(ansatz, Mapping):
        parts = list(ansatz) if isinstance(ansatz, (list, tuple)) else [ansatz]
        ansatz = dict(zip(fields, parts, strict=False)) if len(parts) == len(fields) else {}
    by_name = {str(name): value for name, value in ansatz.items()}
    if set(by_name) != set(fields):
        got = ", ".join(by_name) or "another number of expressions"
        raise ProblemError(f"expected an expression for each of the fields {', '.join(fields)}, got {got}")
    return tuple(by_name[name] for name in fields)


class _Rows:
    """The scaled rows of an ansatz and their Jacobian, as functions of the vector of constants."""

    def __init__(self, problem: LeastSquares, ansatz: Sequence[Any], constants: Mapping[str, float]) -> None:
        self.problem, self.names = problem, tuple(constants)
        self.start = np.array([*constants.values()], dtype=np.float64)
        self.unit: float | None = None
        self.scales = [torch.ones(len(part.placed.block.components), dtype=torch.float64) for part in problem.parts]
        self.compile([real_expression(e, (*problem.names, *self.names)) for e in ansatz])

    def compile(self, ansatz: Sequence[Any]) -> None:
        """Compile the partials of the ansatz and their derivatives by every constant into one program."""
        coordinates, constants = symbols(self.problem.names), symbols(self.names)
        partials: dict[Key, Any] = {}
        for f, partial in sorted(self.problem.keys, key=lambda key: (key[0], len(key[1]))):
            # u_xxt is the derivative of u_xx if that is known.
            known = partials.get((f, partial[:-1]))
            whole = sp.diff(ansatz[f], *(coordinates[a] for a in partial)) if partial else ansatz[f]
            partials[f, partial] = sp.diff(known, coordinates[partial[-1]]) if partial and known is not None else whole
        self.place = {key: i for i, key in enumerate(partials)}
        slopes = [sp.diff(value, c) for c in constants for value in partials.values()]
        self.program = torch_functions([*partials.values(), *slopes], (*self.problem.names, *self.names))

    def jets(self, vector: Array) -> tuple[Tensor, Tensor]:
        """Return the partials (K, N) at all points and their derivatives by the constants (P, K, N)."""
        columns = [*self.problem.points.unbind(-1), *torch.as_tensor(vector).unbind()]
        found = torch.stack(self.program(*columns))
        return found[: len(self.place)], found[len(self.place) :].view(len(vector), len(self.place), found.shape[1])

    def at(self, vector: Array) -> _Evaluated:
        """Return the ansatz with these constants, at all points."""
        unknowns = {
            name: torch.tensor(float(vector[self.names.index(name)]), dtype=torch.float64)
            for name in self.problem.problem.unknowns
        }
        return _Evaluated(*self.jets(vector), self.place, self.problem.fields, unknowns)

    def _slopes(self, part: _Part, ansatz: _Evaluated) -> tuple[Tensor, Iterator[Slope]]:
        return part.placed.slopes([ansatz.jets((part, place)) for place in part.places], ansatz.unknowns)

    def _block(self, part: _Part, ansatz: _Evaluated) -> tuple[Tensor, Tensor]:
        """Return the block's own rows (c, n) and their Jacobian (c, n, P)."""
        rows, slopes = self._slopes(part, ansatz)
        jacobian = []
        for slope in slopes:
            column = ansatz.pulled(part, slope)
            for name, own in zip(ansatz.unknowns, slope.by_unknowns.T, strict=True):
                column[self.names.index(name)] += own
            jacobian.append(column.T)
        return rows, torch.stack(jacobian)

    def measure(self, vector: Array) -> None:
        """Set every block's scale to the size of its terms, and keep it if all terms are zero.

        Of data it is the size of the values, so that the residuals of different expressions compare.
        """
        if not self.problem.problem.has_equation:
            sizes = [rows.square().mean(dim=1).sqrt() for rows in self.problem.at_zero]
            self.scales = [usable_scale(size, old) for size, old in zip(sizes, self.scales, strict=True)]
            return
        ansatz = self.at(vector)
        inside = self.problem.parts[0].places[0]
        for number, part in enumerate(self.problem.parts):
            slopes = [slope.by_jets[0] for slope in self._slopes(part, ansatz)[1]]
            each = torch.ones(part.placed.count, dtype=torch.float64)
            if number == 0:
                scale = scale_of_equation(sizes_of_terms(slopes, ansatz.jets((part, inside))), each)
            else:
                scale = scale_of_condition(part.placed.sizes(slopes), ansatz.typical(part, inside), each)
            self.scales[number] = usable_scale(scale, self.scales[number])

    def scaled(self, vector: Array) -> Array:
        return self.rows(vector)[0]

    def rows(self, vector: Array) -> tuple[Array, Array]:
        """Return all scaled rows (N,) and their Jacobian (N, P).

        The rows of a homogeneous problem are divided by the size of the fields too, because c u with c -> 0 would
        otherwise be a better solution than u.
        """
        ansatz = self.at(vector)
        pieces, jacobians = [], []
        for part, scale in zip(self.problem.parts, self.scales, strict=True):
            rows, jacobian = self._block(part, ansatz)
            factor = 1 / (scale * np.sqrt(rows.shape[1]))
            pieces.append((rows * factor[:, None]).reshape(-1))
            jacobians.append((jacobian * factor[:, None, None]).flatten(0, 1))
        found, jacobian = torch.cat(pieces), torch.cat(jacobians)
        if self.problem.homogeneous:
            size, change = self._size(ansatz.values, ansatz.slopes)
            if not size > 0:
                return found.numpy(), jacobian.numpy()
            found, jacobian = found / size, (jacobian - found[:, None] * (change / size)) / size
        return found.numpy(), jacobian.numpy()

    def _size(self, values: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fields' root mean square inside, relative to its first value, and its slope by the constants."""
        own, inside = [self.place[f, ()] for f in range(self.problem.fields)], self.problem.parts[0].places[0]
        u, v = values[own, inside], slopes[:, own, inside]
        size = u.square().mean().sqrt()
        self.unit = float(size) or 1.0 if self.unit is None else self.unit
        return size / self.unit, (u * v).mean(dim=(1, 2)) / (size * self.unit)

    def failed(self) -> Fit:
        """Return the summary of an ansatz that is not finite in its domain."""
        blocks = {part.placed.block.name: float("nan") for part in self.problem.parts}
        return Fit(dict(zip(self.names, self.start.tolist(), strict=True)), float("inf"), blocks)

    def summary(self, vector: Array) -> Fit:
        rows, jacobian = self.rows(vector)
        residuals, start = {}, 0
        for part, scale in zip(self.problem.parts, self.scales, strict=True):
            piece = rows[start : start + len(scale) * part.placed.count]
            start += len(piece)
            residuals[part.placed.block.name] = float(np.sqrt(np.sum(piece**2) / len(scale)))
        total = float(np.sqrt(np.mean(np.square([*residuals.values()]))))
        constants = dict(zip(self.names, vector.tolist(), strict=True))
        if not len(vector) or not np.isfinite(jacobian).all():
            return Fit(constants, total if np.isfinite(total) else float("inf"), residuals)
        spread, directions = _looseness(jacobian, vector, float(np.linalg.norm(rows)))
        undetermined, redundant = self._sorted(directions, vector)
        certainty = np.linalg.qr(jacobian, mode="r") / (np.linalg.norm(rows) + 1e-15)
        named = dict(zip(self.names, spread.tolist(), strict=True))
        return Fit(constants, total, residuals, named, undetermined, redundant, certainty)

    def _sorted(self, directions: Array, vector: Array) -> tuple[tuple[dict[str, float], ...], ...]:
        """Return directions that change the fields, and those that do not."""
        values, slopes = self.jets(vector)
        own = [self.place[f, ()] for f in range(self.problem.fields)]
        found: tuple[list[dict[str, float]], list[dict[str, float]]] = [], []
        for direction in directions:
            change = np.tensordot(direction, slopes[:, own].numpy(), axes=1)
            size = float(np.abs(values[own].numpy()).max()) + 1e-300
            named = {n: float(d) for n, d in zip(self.names, direction, strict=True) if abs(d) > 1e-6}
            found[bool(np.abs(change).max() < 1e-8 * size)].append(named)
        return tuple(found[0]), tuple(found[1])


def _solved(rows: _Rows, vector: Array, evaluations: int) -> Array:
    """Return the constants after Levenberg–Marquardt in a trust region, then Gauss–Newton steps down to round-off."""
    known: dict[bytes, tuple[Array, Array]] = {}

    def both(x: Array) -> tuple[Array, Array]:
        if x.tobytes() not in known:
            known.clear()
            value, jacobian = rows.rows(x)
            known[x.tobytes()] = value, _cleaned(jacobian, x)
        return known[x.tobytes()]

    def slope(x: Array) -> Array:
        return np.nan_to_num(both(x)[1], nan=0.0, posinf=0.0, neginf=0.0)

    # Steps are measured relative to the constants, so if u and 0 both solve a problem, the nearer one is found.
    sizes = np.maximum(np.abs(vector), LEAST)
    options: dict[str, Any] = {"xtol": 1e-15, "ftol": STALLED, "gtol": 1e-15, "x_scale": sizes}
    found = np.asarray(least_squares(lambda x: both(x)[0], vector, slope, max_nfev=evaluations, **options).x)
    for _ in range(3):
        value, jacobian = both(found)
        if not np.isfinite(jacobian).all():
            break
        step = sizes * np.linalg.lstsq(jacobian * sizes, -value, rcond=NULL)[0]
        after = both(found + step)[0]
        if not np.linalg.norm(after) < 0.9 * np.linalg.norm(value):
            break
        found = found + step
    return found


def _cleaned(jacobian: Array, vector: Array) -> Array:
    """Return the Jacobian with zero columns in place of those that are round-off for rows of size one."""
    effect = np.linalg.norm(jacobian, axis=0) * np.maximum(np.abs(vector), LEAST)
    return np.where(effect > ROUND_OFF, jacobian, np.where(np.isfinite(jacobian), 0.0, jacobian))


def _looseness(jacobian: Array, vector: Array, norm: float) -> tuple[Array, Array]:
    """Return each constant's uncertainty ‖r‖ ‖row of J⁺‖, with round-off in r, and J's null directions as rows."""
    jacobian = _cleaned(jacobian, vector)
    lengths = np.linalg.norm(jacobian, axis=0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    _, values, right = np.linalg.svd(jacobian / lengths, full_matrices=True)
    values = np.pad(values, (0, len(vector) - len(values)))
    null = values <= NULL * max(values[0], 1e-300)
    inverse = np.where(null, 0.0, 1 / np.where(null, 1.0, values))
    spread = np.linalg.norm(right.T * inverse, axis=1) / lengths * (norm + 1e-15)
    return spread, right[null] / lengths
