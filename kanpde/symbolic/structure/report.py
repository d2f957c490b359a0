"""Tests of the structure of a field, each with a threshold that follows from the error of the solution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kanpde.symbolic.families.separated import LARGEST_RANK, at_error
from kanpde.symbolic.families.similarity import RELATIONS, radial, ridge, symmetry
from kanpde.symbolic.structure.factors import spectrum, tails
from kanpde.symbolic.structure.outer_functions import peel
from kanpde.symbolic.structure.sampled import Sampled


@dataclass(frozen=True)
class Finding:
    """A test of structure: the field has the structure if `number` is at most `threshold`."""

    name: str
    number: float
    threshold: float

    @property
    def holds(self) -> bool:
        return self.number <= self.threshold

    def __str__(self) -> str:
        return f"{self.name} {self.number:.1e} ({'at most' if self.holds else 'above'} {self.threshold:.1e})"


def report(field: Sampled) -> Iterator[Finding]:
    """Yield the tests that apply in the dimension of the field; relations and outer functions only if they hold."""
    if field.dimension < 2 or field.norm() == 0:
        return
    yield rank(field)
    yield additive(field)
    found = ridge(field)
    yield Finding("a ridge F(k.x)", found.number, found.threshold)
    if (circles := radial(field)) is not None:
        yield Finding("radial", circles.number, circles.threshold)
    for relation in RELATIONS if field.dimension == 2 else ():
        if (reduction := symmetry(field, relation)) is not None and reduction.number <= reduction.threshold:
            yield Finding(f"a relation of {reduction.name}", reduction.number, reduction.threshold)
    for name, inside, _ in peel(field):
        if (simpler := rank(inside)).holds:
            yield Finding(f"{name}: {simpler.name}", simpler.number, simpler.threshold)


def rank(field: Sampled) -> Finding:
    """Return the test of low rank: the truncation error at the ranks of the unfoldings, at most `LARGEST_RANK` each."""
    chosen = [min(at_error(field, axis), LARGEST_RANK) for axis in range(field.dimension)]
    left = max(float(tails(spectrum(field, axis))[r]) for axis, r in enumerate(chosen))
    return Finding(f"separated with rank {' x '.join(map(str, chosen))}", left, 3 * field.error)


def additive(field: Sampled) -> Finding:
    """Return the test of u = f(x) + g(y) + …: the relative residual after subtraction of the means over other axes."""
    axes = range(field.dimension)
    mean = float(np.sum(field.weight * field.values))
    left = field.values - mean
    for axis in axes:
        others = tuple(other for other in axes if other != axis)
        weight = field.weight.sum(axis=others, keepdims=True)
        left = left - (np.sum(field.weight * (field.values - mean), axis=others, keepdims=True) / weight)
    return Finding("a sum of functions of one coordinate", field.norm(left) / field.norm(), 3 * field.error)
