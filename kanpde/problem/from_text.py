"""Problems whose equations are text or SymPy equations: `problem_from`."""

from __future__ import annotations

import dataclasses
import keyword
import math
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import sympy as sp

from kanpde.calculus.expressions import real_expression
from kanpde.calculus.text import CONSTANTS, known_functions, names_in, parse_expression
from kanpde.errors import ProblemError
from kanpde.geometry.domain import Domain
from kanpde.problem.constraint import Constraint
from kanpde.problem.equation_text import equation_text, written
from kanpde.problem.jet_text import JetVocabulary, Residual, filled, real, subscript
from kanpde.problem.problem import Problem
from kanpde.problem.unknown_function import Function

_PARTS = ("domain", "exact", "reference", "guess")  # of a problem, which no parameter may be called
_WRITABLE = ("value", "residual")  # attributes of a condition that may be text


@dataclass(frozen=True)
class Written:
    """What `problem_from` was given: equations and solutions as text, conditions with texts or values in them."""

    equations: Mapping[str, str] | tuple[str, ...]
    conditions: Mapping[str, Any]
    exact: Mapping[str, str] | None
    source: str | None


class TextProblem(Problem):
    """A problem made by `problem_from`: a dataclass whose fields are the parameters; `written` is what it was given."""

    written: ClassVar[Written]
    rows: ClassVar[Residual]
    components: ClassVar[tuple[str, ...]]
    prepared: ClassVar[Mapping[str, Constraint]]

    def residual(self, **given: Any) -> Any:
        """Return the rows of the equations, as a tuple or by name."""
        rows = self.rows(self.parameters(), given)
        return dict(zip(self.components, rows, strict=True)) if self.components else tuple(rows)

    def conditions(self) -> Mapping[str, Constraint]:
        """Return the conditions with the values of the parameters in their texts."""
        return {name: self._filled(condition) for name, condition in self.prepared.items()}

    def _filled(self, condition: Constraint) -> Constraint:
        values = self.parameters()
        changes: dict[str, Any] = {}
        for name, value in writable(condition):
            if isinstance(value, sp.Expr):
                changes[name] = filled(value, values)
            elif isinstance(value, Residual):
                changes[name] = partial(_one_row, value, values)
        return dataclasses.replace(condition, **changes) if changes else condition


def _one_row(residual: Residual, parameters: Mapping[str, Any], **given: Any) -> Any:
    return residual(parameters, given)[0]


def problem_from(
    equations: Any,
    *,
    domain: Domain,
    conditions: Mapping[str, Constraint] | None = None,
    parameters: Mapping[str, float] | None = None,
    fields: Sequence[str] | None = None,
    unknowns: Mapping[str, Any] | None = None,
    exact: Any = None,
    source: str | None = None,
    name: str = "text",
) -> TextProblem:
    """Return the problem of equations such as ``"u_t = D*u_xx + sin(pi*x)"``; no text is ever run as code.

    `equations` is one text or SymPy equation, a list of them, or a dict name -> equation; without = it means that the
    expression vanishes. In a text ``u_xx`` or ``u_x_t`` is a partial derivative of a field, ``d(k*d(u, x), x)`` the
    derivative of an expression; * and / are written, powers are ** or ^. `fields` are by default the names that have
    derivatives. Values of conditions, residuals of `Condition`, and `exact` (one, or by field) may be texts too.

    `parameters` are numbers by name, and `unknowns` are to be found: constants with starting values, or `Function`.
    ``source="exact"`` adds the source with which `exact` solves the equations: the method of manufactured solutions.

    Raises ProblemError, in one line with the position, for a mistake in a text, an unknown name, or a parameter that
    nothing uses.
    """
    if not isinstance(domain, Domain):
        raise ProblemError(f"expected a domain such as Box(x=(0, 1)), got {domain!r}")
    if not isinstance(name, str) or not name.isidentifier():
        raise ProblemError(f"expected a plain word as name, got {name!r}")
    given, starts = _parameters(parameters), dict(unknowns or {})
    texts = _texts(equations, domain.names)
    fields = (fields,) if isinstance(fields, str) else fields
    functions = tuple(key for key, each in starts.items() if isinstance(each, Function))
    names = tuple(fields or _differentiated(_rows(texts), (*domain.names, *given, *starts), domain.names, functions))
    for key in given:
        if key in (*domain.names, *names, *starts):
            raise ProblemError(f"the parameter {key} has the name of a coordinate, a field or an unknown; rename it")
    words = Written(texts, dict(conditions or {}), None if exact is None else _by_field(exact, names), source)
    constants = tuple(key for key in starts if key not in functions)
    reader = _Reader(words, domain, names, tuple(given), constants, functions)
    namespace = {
        "domain": domain, "fields": names, "unknowns": starts, "written": words, "_name": name, **reader.namespace()
    }  # fmt: skip
    columns = [(key, type(value), dataclasses.field(default=value)) for key, value in given.items()]
    cls = dataclasses.make_dataclass("Text", columns, bases=(TextProblem,), namespace=namespace, frozen=True)
    problem: TextProblem = cls()
    problem.blocks()  # checks that equations and conditions fit together
    return problem


@dataclass
class _Reader:
    """The translation of texts to the attributes of a problem's class."""

    words: Written
    domain: Domain
    fields: tuple[str, ...]
    parameters: tuple[str, ...]
    unknowns: tuple[str, ...]
    functions: tuple[str, ...]

    def __post_init__(self) -> None:
        self.used: set[str] = set()

    def namespace(self) -> dict[str, Any]:
        """Return the attributes `rows`, `components`, `prepared` and, with a known solution, `exact`."""
        texts = self.words.equations
        rows = self.residual(_rows(texts))
        solutions = self.solutions()
        if self.words.source is not None:
            rows = self.with_source(rows, solutions)
        prepared = {name: self.condition(name, condition) for name, condition in self.words.conditions.items()}
        for name in self.parameters:
            if name not in self.used:
                raise ProblemError(f"no equation uses the parameter {name}; leave it out of parameters")
        components = tuple(texts) if isinstance(texts, Mapping) else ()
        found: dict[str, Any] = {"rows": rows, "components": components, "prepared": prepared}
        return found if solutions is None else {**found, "exact": _exact_method(solutions)}

    def vocabulary(self, fields: tuple[str, ...], unknowns: tuple[str, ...]) -> JetVocabulary:
        return JetVocabulary(self.domain.names, fields, (*self.parameters, *unknowns), used=self.used)

    def residual(self, texts: Sequence[str]) -> Residual:
        return Residual.parsed(texts, self.vocabulary((*self.fields, *self.functions), self.unknowns))

    def value(self, text: str) -> Any:
        """Return the expression of a text in coordinates and parameters."""
        return real(parse_expression(text, self.vocabulary((), ())), text)

    def solutions(self) -> dict[str, Any] | None:
        exact = self.words.exact
        return None if exact is None else {name: self.value(text) for name, text in exact.items()}

    def with_source(self, rows: Residual, solutions: Mapping[str, Any] | None) -> Residual:
        if self.words.source != "exact":
            raise ProblemError(
                f"expected source='exact' or none, got {self.words.source!r}; write others into the equation"
            )
        if solutions is None:
            raise ProblemError("source='exact' needs exact=, the solution that is to be manufactured; give it")
        if self.unknowns or self.functions:
            raise ProblemError("source='exact' expects no unknowns, because any values would solve the equations")
        return rows.minus(solutions)

    def condition(self, name: str, condition: Any) -> Constraint:
        """Return a condition with expressions and residuals in place of texts."""
        if not isinstance(condition, Constraint):
            raise ProblemError(
                f"expected a condition such as Dirichlet(0) for {name!r}, got {type(condition).__name__}"
            )
        changes: dict[str, Any] = {}
        for key, value in writable(condition):
            if isinstance(value, sp.Expr):
                changes[key] = real_expression(value, (*self.domain.names, *self.parameters))
                self.used |= {str(symbol) for symbol in value.free_symbols}
            elif isinstance(value, str) and value != "exact":
                changes[key] = self.value(value) if key == "value" else self.residual([value])
        return dataclasses.replace(condition, **changes) if changes else condition


def writable(condition: Constraint) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a condition that may be text."""
    return ((name, getattr(condition, name)) for name in _WRITABLE if hasattr(condition, name))


def _exact_method(solutions: Mapping[str, Any]) -> Callable[..., dict[str, Any]]:
    def exact(self: TextProblem, **coordinates: Any) -> dict[str, Any]:
        values = self.parameters()
        return {name: filled(expression, values) for name, expression in solutions.items()}

    return exact


def _parameters(given: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the parameters as Python's numbers; raise ProblemError for a bad name or value."""
    found: dict[str, float] = {}
    for name, value in (given or {}).items():
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise ProblemError(f"expected plain words as names of parameters, got {name!r}; rename it")
        if hasattr(TextProblem, name) or name in (*TextProblem.__annotations__, *_PARTS):
            raise ProblemError(f"a parameter can't be called {name!r}, which is a part of a problem; rename it")
        number = isinstance(value, (numbers.Real, np.number)) or (isinstance(value, sp.Expr) and value.is_number)
        if not number or isinstance(value, bool) or not math.isfinite(value):
            raise ProblemError(f"parameter {name} expects a finite number, got {value!r}")
        found[name] = int(value) if isinstance(value, numbers.Integral) else float(value)
    return found


def _texts(equations: Any, coordinates: tuple[str, ...]) -> Mapping[str, str] | tuple[str, ...]:
    """Return equations as texts, by name if they are given so."""
    if isinstance(equations, Mapping):
        return {str(name): equation_text(equation, coordinates) for name, equation in equations.items()}
    several = list(equations) if isinstance(equations, (list, tuple)) else [equations]
    if not several:
        raise ProblemError("expected at least one equation, got an empty list")
    return tuple(equation_text(equation, coordinates) for equation in several)


def _rows(texts: Mapping[str, str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(texts.values()) if isinstance(texts, Mapping) else texts


def _differentiated(
    texts: Sequence[str], known: tuple[str, ...], coordinates: tuple[str, ...], functions: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the names that have derivatives in the texts, in order, without the known ones; u if there are none."""
    found: list[str] = []
    for text in texts:
        words = [word for word in names_in(text) if word not in known]
        found += filter(None, (_owner(word, coordinates) for word in words))
        found += [after for word, after in zip(words, words[1:], strict=False) if word == "d" and _is_free(after)]
    names = tuple(name for name in dict.fromkeys(found) if name not in functions) or ("u",)
    if len(names) != len(texts):
        raise ProblemError(
            f"expected one equation for each of the fields {', '.join(names)}, got {len(texts)}; "
            "give fields= or parameters= if they are others"
        )
    return names


def _owner(word: str, coordinates: tuple[str, ...]) -> str:
    """Return u for a name such as u_xx, an empty text for other names."""
    ends = (place for place, letter in enumerate(word) if letter == "_" and place)
    return next((word[:end] for end in ends if subscript(word[end + 1 :], coordinates) is not None), "")


def _is_free(word: str) -> bool:
    """Return whether a name that follows "d(" can be a field."""
    return word != "d" and "_" not in word and word not in (*CONSTANTS, *known_functions())


def _by_field(exact: Any, fields: tuple[str, ...]) -> dict[str, str]:
    """Return a solution given as one object, a tuple or a dict as texts by field."""
    parts = list(exact) if isinstance(exact, (list, tuple)) else [exact]
    found = exact if isinstance(exact, Mapping) else dict(enumerate(parts))
    keys = fields if isinstance(exact, Mapping) else range(len(fields))
    if set(found) != set(keys):
        raise ProblemError(f"expected exact for the fields {', '.join(fields)}, got {exact!r}")
    return {name: written(found[key]) for name, key in zip(fields, keys, strict=True)}
