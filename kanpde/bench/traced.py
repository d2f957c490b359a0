"""Evaluate a problem with JAX arrays, without rewriting its equation.

Linear rows are represented by their coefficients. Other rows call the user's own function with wrapped JAX arrays
that support arithmetic and map each torch function to the function of the same name in jax.numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from torch import Tensor

from kanpde.bench.affine import affine
from kanpde.bench.autograd import weight_of
from kanpde.calculus.arrays import MultiIndex
from kanpde.collocation.affine import is_affine
from kanpde.collocation.rows import Placed
from kanpde.errors import ProblemError
from kanpde.problem.block import Side
from kanpde.problem.field import parse_partial
from kanpde.problem.problem import Problem

Function = Callable[[Any, Any], Any]  # parameters, points (n, d) -> (n, fields)
Rows = Callable[[Sequence[Mapping[MultiIndex, Any]]], Any]  # partials at every image -> (components, n)


class Traced:
    """A JAX array that a function written for torch accepts."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __getitem__(self, key: Any) -> Traced:
        return Traced(self.array[key])

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return Traced(getattr(jnp, function.__name__)(*plain(args), **plain(kwargs or {})))


class TracedField(Traced):
    """A field with its partials: u, u.x, u.d("x", "x")."""

    def __init__(self, partials: Mapping[MultiIndex, Any], number: int, names: tuple[str, ...]) -> None:
        super().__init__(partials[()][:, number] if () in partials else None)
        self._partials, self._number, self._names = partials, number, names

    def __getattr__(self, word: str) -> Traced:
        partial = None if word.startswith("_") else parse_partial(word, self._names)
        if partial is None:
            raise AttributeError(word)
        return self._at(partial)

    def d(self, *coordinates: str) -> Traced:
        """Return the partial derivative along these coordinates."""
        return self._at(tuple(sorted(map(self._names.index, coordinates))))

    def _at(self, partial: MultiIndex) -> Traced:
        return Traced(self._partials[partial][:, self._number])


def plain(item: Any) -> Any:
    """Convert all arrays within an item to JAX arrays."""
    if isinstance(item, Traced):
        return item.array
    if isinstance(item, Tensor):
        return jnp.asarray(item.numpy())
    if isinstance(item, dict):
        return {key: plain(value) for key, value in item.items()}
    return type(item)(map(plain, item)) if isinstance(item, (list, tuple)) else item


def _operator(name: str) -> Callable[..., Traced]:
    def operate(self: Traced, *others: Any) -> Traced:
        return Traced(getattr(self.array, name)(*map(plain, others)))

    return operate


for _word in ("add", "sub", "mul", "truediv", "pow"):
    setattr(Traced, f"__{_word}__", _operator(f"__{_word}__"))
    setattr(Traced, f"__r{_word}__", _operator(f"__r{_word}__"))
for _word in ("neg", "pos", "abs"):
    setattr(Traced, f"__{_word}__", _operator(f"__{_word}__"))


def partials_of(function: Callable[[Any], Any], points: Any, wanted: Sequence[MultiIndex]) -> dict[MultiIndex, Any]:
    """Return partials (n, fields) of ``points (n, d) -> (n, fields)`` by nested forward differentiation."""

    def differentiated(partial: MultiIndex) -> Callable[[Any], Any]:
        if not partial:
            return function
        below = differentiated(partial[:-1])
        along = jnp.zeros_like(points).at[:, partial[-1]].set(1.0)
        return lambda x: jax.jvp(below, (x,), (along,))[1]

    return {partial: differentiated(partial)(points) for partial in wanted}


def rows_of(part: Placed, problem: Problem) -> Rows:
    """Return the block's rows as a function of the partials at each image."""
    if is_affine(part.block, problem):
        components = affine(part, len(problem.fields))

        def linear(partials: Sequence[Mapping[MultiIndex, Any]]) -> Any:
            return jnp.stack(
                [
                    c.offset + sum(a * partials[i][alpha][:, f] for (i, f, alpha), a in c.coefficients.items())
                    for c in components
                ]
            )

        return linear
    images = [Traced(jnp.asarray(image.numpy())) for image in part.images]

    def written(partials: Sequence[Mapping[MultiIndex, Any]]) -> Any:
        sides = [
            Side(
                cast(Tensor, image),
                tuple(cast(Any, TracedField(known, f, problem.domain.names)) for f in range(len(problem.fields))),
            )
            for image, known in zip(images, partials, strict=True)
        ]
        try:
            return cast(Any, part.evaluate(sides, {})).array
        except (AttributeError, TypeError) as error:
            raise ProblemError(
                f"{part.block.name} of {problem.name} uses what JAX has under another name: {error}"
            ) from error

    return written


def loss_of(problem: Problem, parts: Sequence[Placed], function: Function) -> Callable[[Any], Any]:
    """Return Σ_b w_b mean_n r_bn² as a function of the parameters."""
    known = []
    for part in parts:
        # The value is added, because a field may stand for its value.
        wanted = sorted({(), *(p for partials in part.block.partials.values() for p in partials)})
        known.append(
            (weight_of(part.block), wanted, [jnp.asarray(i.numpy()) for i in part.images], rows_of(part, problem))
        )

    def loss(parameters: Any) -> Any:
        total = 0.0
        for weight, wanted, images, rows in known:
            partials = [partials_of(lambda x: function(parameters, x), image, wanted) for image in images]
            total = total + weight * (rows(partials) ** 2).mean(axis=1).sum()
        return total

    return loss
