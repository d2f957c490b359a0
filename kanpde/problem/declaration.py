"""The declarations of a problem, which its conditions and blocks use."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kanpde.geometry.domain import Domain
from kanpde.geometry.partition import Partition
from kanpde.geometry.shape import Shape
from kanpde.problem.unknown_function import Expansion, Function, coefficient_names

# Class attributes of a problem that an annotation would turn into dataclass fields; they are not parameters.
_DECLARATIONS = ("domain", "fields", "unknowns", "parts", "coefficients")


class Declaration:
    """The ``domain``, the names of the ``fields``, and the ``unknowns`` to find: starting values, or `Function`.

    ``parts`` split the domain, name -> shape, and ``coefficients`` differ among them: name -> part -> value.

    The methods ``exact`` (SymPy) and ``reference`` (NumPy) are optional; `kanpde.problem.exact` looks them up.
    """

    domain: Domain
    fields: tuple[str, ...] = ("u",)
    unknowns: Mapping[str, float | Function] = MappingProxyType({})
    parts: Mapping[str, Shape] = MappingProxyType({})
    coefficients: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    residual: Callable[..., Any]

    @property
    def name(self) -> str:
        """The name that it was loaded by, else the class name in snake_case."""
        return getattr(self, "_name", None) or snake_case(type(self).__name__)

    @functools.cached_property
    def partition(self) -> Partition | None:
        """The domain split into its parts, and along the planes of conditions; None if it is whole."""
        cuts = [each for condition in self._conditions().values() for each in condition.cuts(self)]
        return Partition(self.domain, self.parts, cuts) if self.parts or cuts else None

    def conditions(self) -> Mapping[str, Any]:
        """Return a mapping name -> condition; empty by default."""
        return {}

    def _conditions(self) -> Mapping[str, Any]:
        return self.conditions()

    @property
    def manufactured(self) -> bool:
        """True if ``source = "exact"``: the equation is residual(u) = residual(exact)."""
        source = getattr(self, "source", None)
        return isinstance(source, str) and source == "exact"

    @property
    def has_equation(self) -> bool:
        """False for a function of data."""
        return True

    @property
    def expansions(self) -> tuple[Expansion, ...]:
        """The splines of the unknown functions, in the order of ``unknowns``."""
        functions = [(name, each) for name, each in self.unknowns.items() if isinstance(each, Function)]
        return tuple(Expansion(name, each, self.domain) for name, each in functions)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of the fields and of the unknown functions, which conditions may name as a field."""
        functions = (name for name, each in self.unknowns.items() if isinstance(each, Function))
        return (*self.fields, *functions)

    @property
    def constants(self) -> dict[str, float]:
        """The unknown constants with their starting values, among them the coefficients of unknown functions."""
        found: dict[str, float] = {}
        for name, start in self.unknowns.items():
            if isinstance(start, Function):
                found.update(dict.fromkeys(coefficient_names(name, start), start.start))
            else:
                found[name] = start
        return found

    def parameters(self) -> dict[str, Any]:
        """Return the dataclass fields and their values."""
        if not dataclasses.is_dataclass(self):
            return {}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _DECLARATIONS}


def snake_case(name: str) -> str:
    """Return the name in snake_case: FisherKPP gives fisher_kpp."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
