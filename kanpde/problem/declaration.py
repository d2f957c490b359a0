"""What a problem declares: all that its parts, its conditions and its blocks, need to know of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kanpde.geometry.domain import Domain

# Class attributes of a problem that an annotation would turn into dataclass fields; they are no parameters.
_DECLARATIONS = ("domain", "fields", "unknowns")


class Declaration:
    """Names and places: the ``domain``, the ``fields``, the ``unknowns`` (constants to be found, with their starts).

    Methods ``exact`` (SymPy) and ``reference`` (NumPy) may be there or not; `kanpde.problem.exact` asks for them.
    """

    domain: Domain
    fields: tuple[str, ...] = ("u",)
    unknowns: Mapping[str, float] = MappingProxyType({})
    residual: Callable[..., Any]

    @property
    def name(self) -> str:
        """The name it was loaded by, else the class name in snake_case."""
        return getattr(self, "_name", None) or snake_case(type(self).__name__)

    def parameters(self) -> dict[str, Any]:
        """The dataclass fields and their values."""
        if not dataclasses.is_dataclass(self):
            return {}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _DECLARATIONS}


def snake_case(name: str) -> str:
    """Return the name as a file would have it: FisherKPP is fisher_kpp."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
