"""The base class of problems: a domain, fields, a residual, conditions, and a solution if one is known."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from functools import partial
from typing import Any

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.errors import ProblemError, finite, short
from kanpde.geometry.domain import Domain
from kanpde.problem import exact
from kanpde.problem.arguments import call, part
from kanpde.problem.block import Block, Side
from kanpde.problem.constraint import Constraint
from kanpde.problem.declaration import Declaration
from kanpde.problem.field import Field, parse_partial
from kanpde.problem.interface import check_seams
from kanpde.problem.manufactured import with_source
from kanpde.problem.parts import check_parts
from kanpde.problem.residual import residual_block
from kanpde.problem.unknown_function import Function, with_functions

KEPT = "_kept"  # the attribute of a problem that holds its blocks

__all__ = ["Block", "Field", "MultiIndex", "Problem", "Side"]


class Problem(Declaration):
    """A boundary value problem: residual = 0 in the domain, subject to conditions.

    Users derive from it: ``@dataclass(frozen=True) class Heat(Problem)``, with parameters as dataclass fields. A
    problem has a ``domain`` and a method ``residual``. Optional are ``fields``, ``unknowns`` (constants to find, with
    starting values, and `Function`), and the methods ``conditions``, ``exact`` (SymPy),
    ``reference`` (NumPy) and ``guess`` (either). Arguments of the
    methods are matched by name: fields, coordinates, unknowns. ``source = "exact"`` adds to the equation the
    right-hand side with which ``exact`` solves it. All methods raise ProblemError if the problem is not
    well defined.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Raise ProblemError if the class has a parameter or a constant named like a method that kanpde calls."""
        super().__init_subclass__(**options)
        values = {**dict.fromkeys(vars(cls).get("__annotations__", ())), **vars(cls)}
        for name, value in values.items():
            if name in RESERVED and not (callable(value) or isinstance(value, property)):
                raise ProblemError(f"{cls.__name__} expects another name for {name!r}, which kanpde uses; rename it")

    def blocks(self, *, hard: bool = False) -> tuple[Block, ...]:
        """Return the equation's block and then the conditions' blocks in order, those of hard conditions if `hard`.

        Every part of the problem is checked, hard conditions included. Raises ProblemError if a part is wrong.
        """
        every = self._kept_blocks()
        return every if hard else tuple(block for block in every if not block.hard)

    def _kept_blocks(self) -> tuple[Block, ...]:
        """Return all blocks; they are kept until an attribute changes, because one solution asks for them ten times."""
        kind = type(self)
        now = (*self.__getstate__().values(), getattr(kind, "residual", None), kind.conditions)
        before: tuple[object, ...]
        known: tuple[Block, ...]
        before, known = vars(self).get(KEPT, ((), ()))
        if [*map(id, before)] != [*map(id, now)]:
            known = self._every_block()
            object.__setattr__(self, KEPT, (now, known))
        return known

    def _every_block(self) -> tuple[Block, ...]:
        self.check()
        blocks = [residual_block(self.residual, self, "residual", kind="residual")] if self.has_equation else []
        if self.manufactured:
            blocks = [with_source(block, self) for block in blocks]
        blocks += [self._condition_block(name, condition) for name, condition in self._conditions().items()]
        check_seams(self)
        if expansions := self.expansions:
            blocks = [with_functions(block, expansions, len(self.fields)) for block in blocks]
        return tuple(blocks)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without the blocks, whose functions cannot be pickled."""
        return {name: value for name, value in vars(self).items() if name != KEPT}

    def hard_conditions(self) -> tuple[tuple[str, Any], ...]:
        """Return (name, condition) of the conditions that must hold by construction."""
        return tuple((name, condition) for name, condition in self._conditions().items() if condition.hard)

    def exact_functions(self) -> tuple[Any, ...] | None:
        """Return one SymPy expression for each field, in real symbols named as the coordinates; None without exact."""
        return exact.exact_functions(self)

    def exact_values(self, points: Array) -> Array:
        """Return the exact solution at points (n, d): (n, fields). Raises ProblemError without a method exact."""
        return exact.exact_values(self, points)

    def exact_gradient(self, points: Array) -> Array:
        """Return the exact solution's first derivatives at points (n, d): (n, fields, d)."""
        return exact.exact_gradient(self, points)

    def reference_values(self, points: Array) -> Array | None:
        """Return the exact, else the reference solution at points (n, d): (n, fields); None if neither is known."""
        return exact.reference_values(self, points)

    def check_exact(self) -> list[str]:
        """Return one warning for each part of the problem that the exact solution does not satisfy."""
        return exact.check_exact(self, self.blocks(hard=True)) if exact.exact_functions(self) else []

    def _conditions(self) -> Mapping[str, Constraint]:
        what = f"conditions of {self.name}"
        conditions = call(self.conditions, {}, what)
        if not isinstance(conditions, Mapping):
            raise ProblemError(f"{what} expects a dict name -> condition, got {type(conditions).__name__}")
        for name, condition in conditions.items():
            if not isinstance(name, str) or not name or name == "residual":
                raise ProblemError(f"{what} expects words other than 'residual' as names, got {name!r}; rename it")
            if not isinstance(condition, Constraint):
                raise ProblemError(
                    f"{what} expects a condition such as Dirichlet(0) for {name!r}, got {type(condition).__name__}"
                )
        return conditions

    def _condition_block(self, name: str, condition: Constraint) -> Block:
        try:
            if condition.hard and max(condition.field_indices(self)) >= len(self.fields):
                raise ProblemError("a hard condition on an unknown function can't be built; leave out hard=True")
            return condition.block(name, self)
        except ProblemError as error:
            raise ProblemError(f"condition {name!r} of {self.name}: {error}") from error

    def check(self) -> None:
        """Raise ProblemError if a part is missing, a name is invalid, or a parameter is not finite."""
        domain = part(self, "domain", self.name)
        if not isinstance(domain, Domain):
            raise ProblemError(f"{self.name} expects a domain such as Box(x=(0, 1)), got {short(domain)}")
        for name in ("fields", "unknowns", "exact", "reference", "guess", "parts", "coefficients"):
            part(self, name, self.name)
        if self.has_equation and not callable(part(self, "residual", self.name)):
            raise ProblemError(f"{self.name} expects a method residual(self, u, x, ...), got none; write it")
        self._check_names()
        check_parts(self)
        for name, value in [*self.parameters().items(), *self.unknowns.items()]:
            check_finite(self.name, name, value)
        source = part(self, "source", self.name)
        if isinstance(source, str) and source != "exact" and "source" not in self.parameters():
            raise ProblemError(f'{self.name} expects source = "exact", got {short(source)}; add others to the residual')
        for expansion in self.expansions:
            call(partial(getattr, expansion, "axes"), {}, f"unknown {expansion.name} of {self.name}")
        for name, start in self.unknowns.items():
            if isinstance(start, Function):
                continue
            if not isinstance(start, numbers.Real) or isinstance(start, bool):
                raise ProblemError(f"unknown {name} of {self.name} expects a number to start from, got {short(start)}")

    def _check_names(self) -> None:
        fields, unknowns = self.fields, self.unknowns
        if not fields or not isinstance(fields, (tuple, list)) or not all(isinstance(name, str) for name in fields):
            raise ProblemError(f"{self.name} expects fields as a tuple of names such as ('u',), got {short(fields)}")
        if not isinstance(unknowns, Mapping):
            raise ProblemError(f"{self.name} expects unknowns as a dict name -> starting value, got {short(unknowns)}")
        coordinates = self.domain.names
        for name in coordinates:
            if parse_partial(name, tuple(other for other in coordinates if other != name)) is not None:
                raise ProblemError(
                    f"{self.name} expects coordinates whose partial derivatives have one meaning, got {name!r} beside "
                    f"{', '.join(other for other in coordinates if other != name)}; rename it"
                )
        names = [*coordinates, *self.fields, *self.unknowns]
        for name in names:
            if name == "d" or not str(name).isidentifier() or names.count(name) > 1:
                raise ProblemError(
                    f"{self.name} expects different plain words other than d as names of coordinates, fields and "
                    f"unknowns, got {name!r}{' twice' if names.count(name) > 1 else ''}; rename it"
                )


# The attributes of a problem that belong to kanpde: a parameter of that name would take their place.
RESERVED = frozenset(name for kind in (Problem, Declaration) for name in vars(kind) if not name.startswith("_")) - {
    "domain",
    "fields",
    "unknowns",
    "parts",
    "coefficients",
    "residual",
    "conditions",
}


def check_finite(problem: str, name: str, value: Any) -> None:
    """Raise ProblemError if a parameter is or contains a number that is not finite."""
    if isinstance(value, (tuple, list)):
        for part in value:
            check_finite(problem, name, part)
    elif isinstance(value, numbers.Real) and not finite(value):
        raise ProblemError(f"parameter {name} of {problem} expected a finite number, got {short(value)}")
