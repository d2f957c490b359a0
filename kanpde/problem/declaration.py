"""The declarations of a problem, which its conditions and blocks use."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kanpde.geometry.domain import Domain

# Class attributes of a problem that an annotation would turn into dataclass fields; they are not parameters.
_DECLARATIONS = ("domain", "fields", "unknowns")


class Declaration:
    """The ``domain``, the names of the ``fields``, and the ``unknowns``: constants to find, with starting values.

    The methods ``exact`` (SymPy) and ``reference`` (NumPy) are optional; `kanpde.problem.exact` looks them up.
    """

    domain: Domain
    fields: tuple[str, ...] = ("u",)
    unknowns: Mapping[str, float] = MappingProxyType({})
    residual: Callable[..., Any]

    @property
    def name(self) -> str:
        """The name that it was loaded by, else the class name in snake_case."""
        return getattr(self, "_name", None) or snake_case(type(self).__name__)

    @property
    def has_equation(self) -> bool:
        """False for a function of data."""
        return True

    def parameters(self) -> dict[str, Any]:
        """Return the dataclass fields and their values."""
        if not dataclasses.is_dataclass(self):
            return {}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _DECLARATIONS}


def snake_case(name: str) -> str:
    """Return the name in snake_case: FisherKPP gives fisher_kpp."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
