"""State a problem in SymPy: the expressions that must vanish, as functions of the fields' expressions."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import numbers
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.expressions import symbols
from kanpde.geometry.corners import corners_of
from kanpde.geometry.domain import Face, Section
from kanpde.geometry.shape import Shape
from kanpde.problem.arguments import asked
from kanpde.problem.constraint import Constraint
from kanpde.problem.equation import Equation, Fields
from kanpde.problem.problem import Problem
from kanpde.symbolic.constants.recognition import exact_number, exactly
from kanpde.symbolic.proof.faces import Place, places
from kanpde.symbolic.proof.tracing import Traced, TracedField, Untraceable, expression_of

SHARP = math.pi * (1 + 1e-9)  # the opening of a corner from which it juts into the domain


@dataclass(frozen=True)
class Statement:
    """The equations of a problem in `coordinates`, with its `parameters` (symbol -> exact value) kept as symbols.

    `measured` are the names of conditions that are data, which a proof cannot cover; `exact` is the known solution,
    None if there is none that SymPy can read. `others` are the bounds of the symbols that occur in equations on faces
    beside the coordinates, and `unknown_faces` the names of faces without a formula, where an equation is stated in all
    of space.
    """

    problem: Problem
    coordinates: tuple[Any, ...]
    bounds: tuple[tuple[Any, Any], ...]
    equations: tuple[Equation, ...]
    parameters: Mapping[Any, Any]
    unknowns: tuple[Any, ...]
    measured: tuple[str, ...]
    exact: Fields | None
    others: Mapping[Any, tuple[Any, Any]] = field(default_factory=dict)
    unknown_faces: Collection[str] = ()


def state(
    problem: Problem, parameters: Collection[str] | None = None, without: tuple[type[Constraint], ...] = ()
) -> Statement:
    """Return the problem in SymPy, with these parameters as symbols; None means as many as the code allows.

    Conditions of the types in `without` are left out, which is for callers that read them themselves.
    Raises Untraceable if the code of the residual or of a condition cannot be read as a formula.
    """
    if problem.expansions:
        raise Untraceable("a problem with unknown functions has no statement in SymPy")
    chosen = symbolic_parameters(problem) if parameters is None else _symbols(problem, parameters)
    failure: Exception | None = None
    for form in _FORMS:
        try:
            return _stated(problem, _replaced(problem, chosen, form), chosen, without)
        except Exception as error:  # a user's code may raise anything on symbolic numbers
            failure = failure or error
    raise failure if isinstance(failure, Untraceable) else Untraceable(f"{type(failure).__name__}: {failure}")


# The forms of a parameter that the user's code receives: traced for torch, exact for SymPy, or as a number.
_FORMS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda exact, value: Traced(exact),
    lambda exact, value: exact,
    lambda exact, value: value,
)


def symbolic_parameters(problem: Problem) -> dict[str, Any]:
    """Return name -> symbol for each real parameter that the problem's code accepts as a symbol."""
    taken = {*problem.domain.names, *problem.fields, *problem.unknowns}
    candidates = _symbols(problem, [n for n, value in real_parameters(problem).items() if value and n not in taken])
    if not candidates or _states(problem, candidates):
        return candidates
    alone = {name: symbol for name, symbol in candidates.items() if _states(problem, {name: symbol})}
    return alone if len(alone) > 1 and _states(problem, alone) else dict(itertools.islice(alone.items(), 1))


def _symbols(problem: Problem, names: Collection[str]) -> dict[str, Any]:
    return {name: parameter_symbol(name, real_parameters(problem)[name]) for name in names}


def parameter_symbol(name: str, value: float) -> Any:
    """Return the symbol of a parameter, with the sign of its value assumed."""
    return sp.Symbol(name, positive=True) if value > 0 else sp.Symbol(name, negative=True)


def real_parameters(problem: Problem) -> dict[str, float]:
    """Return the parameters that are real numbers; integers stay numbers because they count."""
    if not dataclasses.is_dataclass(problem):
        return {}
    declared = {f.name: f.type for f in dataclasses.fields(problem)}
    return {
        name: float(value)
        for name, value in problem.parameters().items()
        if isinstance(value, float)
        or (isinstance(value, numbers.Real) and not isinstance(value, bool) and declared[name] in (float, "float"))
    }


def _states(problem: Problem, chosen: Mapping[str, Any]) -> bool:
    for form in _FORMS[:2]:
        try:
            _stated(problem, _replaced(problem, chosen, form), chosen)
        except Exception:  # a user's code may raise anything on a symbol
            continue
        return True
    return False


def _replaced(problem: Problem, chosen: Mapping[str, Any], form: Callable[[Any, Any], Any]) -> Problem:
    """Return the problem with its real parameters replaced by symbols or exact numbers."""
    values = real_parameters(problem)
    if not values:
        return problem
    changes = {name: form(chosen.get(name, exact_number(value)), value) for name, value in values.items()}
    return dataclasses.replace(problem, **changes)  # type: ignore[type-var]


def _stated(
    problem: Problem, traced: Problem, chosen: Mapping[str, Any], without: tuple[type[Constraint], ...] = ()
) -> Statement:
    shape, coordinates = problem.domain, symbols(problem.domain.names)
    if not isinstance(shape, Shape):
        raise Untraceable(f"a proof expects a Box or another shape, got {shape}")
    if traced.domain != shape:
        raise Untraceable("the domain depends on a parameter")
    bounds = tuple((exact_number(float(a)), exact_number(float(b))) for a, b in zip(shape.low, shape.high, strict=True))
    conditions = {name: one for name, one in traced.conditions().items() if not isinstance(one, without)}
    builder = _Builder(problem, traced, shape, coordinates, bounds)
    equations = list(builder.residual("residual", traced.residual, None))
    for name, condition in conditions.items():
        equations += builder.condition(name, condition)
    symbol_values = {symbol: exact_number(real_parameters(problem)[name]) for name, symbol in chosen.items()}
    measured = tuple(name for name, condition in conditions.items() if condition.is_measured)
    exact = builder.exact_or_none()
    return Statement(
        problem,
        coordinates,
        bounds,
        tuple(equations),
        symbol_values,
        builder.unknowns,
        measured,
        exact,
        builder.others,
        builder.unknown_faces,
    )


@dataclass
class _Builder:
    """The translation of the problem's code to equations; each method treats one part of the problem."""

    problem: Problem
    traced: Problem
    shape: Shape
    coordinates: tuple[Any, ...]
    bounds: tuple[tuple[Any, Any], ...]

    @functools.cached_property
    def unknowns(self) -> tuple[Any, ...]:
        return symbols(tuple(self.problem.unknowns))

    @functools.cached_property
    def exact(self) -> Fields:
        """The known solution with the problem's parameters as symbols or numbers."""
        found = exact_expressions(self.traced)
        if found is None:
            raise Untraceable("the value 'exact' needs a method exact")
        return found

    def exact_or_none(self) -> Fields | None:
        for problem in (self.traced, self.problem):
            try:
                return exact_expressions(problem)
            except Exception:  # a method exact may accept no symbols, or be no method
                continue
        return None

    def residual(self, name: str, function: Callable[..., Any], faces: tuple[Face, ...] | None) -> Iterator[Equation]:
        """Yield the rows of a residual, whose code runs once on placeholders of the fields' partials."""
        placeholders: dict[tuple[int, MultiIndex], Any] = {}

        def lookup(i: int, partial: MultiIndex) -> Any:
            return placeholders.setdefault((i, partial), sp.Dummy(f"{i}{partial}", real=True))

        names, fields = self.problem.domain.names, self.problem.fields
        given: dict[str, Any] = {f: TracedField(names, functools.partial(lookup, i)) for i, f in enumerate(fields)}
        given.update({str(symbol): Traced(symbol) for symbol in (*self.coordinates, *self.unknowns)})
        wanted = asked(function, given, name)
        result = function(**{key: given[key] for key in wanted})
        for component, row in _named(result, name):
            expression = exactly(self._real(expression_of(row), [*placeholders.values()]))
            for face in faces or (None,):
                of = functools.partial(self._filled, expression, placeholders, face)
                if self.problem.manufactured and faces is None:
                    of = functools.partial(self._without_source, of)
                yield Equation(name, component, face.name if face else None, of)

    def _without_source(self, of: Callable[[Fields], Any], fields: Fields) -> Any:
        return of(fields) - of(self.exact)

    def _filled(self, expression: Any, placeholders: Mapping[Any, Any], face: Face | None, fields: Fields) -> Any:
        values = {symbol: self.partial(fields[i], partial) for (i, partial), symbol in placeholders.items()}
        return self.on(face, expression.xreplace(values))

    def partial(self, expression: Any, partial: MultiIndex) -> Any:
        return sp.diff(expression, *(self.coordinates[axis] for axis in partial)) if partial else expression

    def on(self, face: Face | None, expression: Any) -> Any:
        """Return the expression on a face, with any multiples of what it is on the pieces if there are several."""
        if face is None:
            return expression
        if isinstance(face, Section):
            values = {self.coordinates[axis]: exact_number(v) for axis, v in zip(face.axes, face.values, strict=True)}
            return sp.sympify(expression).subs(values)
        found = [place.put(self._with_normal(expression, face, place)) for place in self._places(face)]
        if len(found) == 1:
            return found[0]
        pairs = zip(self._multiples(len(found)), found, strict=True)
        return sp.Add(*(multiple * term for multiple, each in pairs for term in sp.Add.make_args(each)))

    def _multiples(self, count: int) -> list[Any]:
        """Return symbols of numbers that multiply the pieces' equations: their sum vanishes if each of them does."""
        while len(self._known_multiples) < count:
            symbol = sp.Dummy("piece", positive=True)
            self._known_multiples.append(symbol)
            self.others[symbol] = (sp.S.One, sp.Integer(2))
        return self._known_multiples[:count]

    def normal_derivative(self, expression: Any, face: Face) -> Any:
        normal = self._normal(face)
        return sp.Add(*(normal[axis] * self.partial(expression, (axis,)) for axis in face.axes))

    def _normal(self, face: Face) -> tuple[Any, ...]:
        """Return placeholders of the normal's components, which differ from piece to piece."""
        return self._normals.setdefault(face.name, tuple(sp.Dummy(f"n_{s}", real=True) for s in self.coordinates))

    def _with_normal(self, expression: Any, face: Face, place: Place) -> Any:
        return sp.sympify(expression).xreplace(dict(zip(self._normal(face), place.normal, strict=True)))

    def _places(self, face: Face) -> list[Place]:
        if face.name not in self._known_places:
            pieces = self.shape.pieces[face.name]
            found = [p for piece in pieces for p in places(piece, self.coordinates, self._corners)]
            self._known_places[face.name] = found
            for place in found:
                self.others.update(place.bounds)
                self.unknown_faces |= set() if place.known else {face.name}
        return self._known_places[face.name]

    @functools.cached_property
    def _corners(self) -> list[Array]:
        """The corners of more than π, about which solutions are singular, the sharpest first."""
        found = [meeting.corner for meeting in corners_of(self.shape)] if not self.shape.is_box else []
        sharp = sorted((c for c in found if c.opening > SHARP), key=lambda corner: -corner.opening)
        return [np.array(corner.at) for corner in sharp]

    @functools.cached_property
    def others(self) -> dict[Any, tuple[Any, Any]]:
        return {}

    @functools.cached_property
    def unknown_faces(self) -> set[str]:
        return set()

    @functools.cached_property
    def _known_multiples(self) -> list[Any]:
        return []

    @functools.cached_property
    def _normals(self) -> dict[str, tuple[Any, ...]]:
        return {}

    @functools.cached_property
    def _known_places(self) -> dict[str, list[Place]]:
        return {}

    def number(self, value: Any) -> Any:
        return expression_of(value)

    def condition(self, name: str, condition: Constraint) -> Iterable[Equation]:
        """Return the equations of one condition, one for each field and face."""
        equations = condition.equations(name, self)
        if equations is None:
            raise Untraceable(f"a condition of type {type(condition).__name__} has no statement in SymPy")
        return equations

    def equal(self, name: str, field: int, face: Face, left: Callable[[Any], Any], right: Any) -> Equation:
        def around(fields: Fields) -> Any:
            return left(fields[field]) - right

        def difference(fields: Fields) -> Any:
            return self.on(face, around(fields))

        return Equation(name, self.component(field), face.name, difference, around)

    def component(self, field: int) -> str:
        return self.problem.fields[field] if len(self.problem.fields) > 1 else ""

    def value(self, value: Any, field: int) -> Any:
        """Return a condition's prescribed value as an expression in the coordinates."""
        if isinstance(value, str):
            return self.exact[field]
        if callable(value) and not isinstance(value, (Traced, sp.Basic)):
            given = {str(symbol): Traced(symbol) for symbol in self.coordinates}
            value = value(**{name: given[name] for name in asked(value, given, "the value's function")})
        return exactly(self._real(expression_of(value), []))

    def _real(self, expression: Any, others: list[Any]) -> Any:
        return with_real_coordinates(expression, self.problem.domain.names, (*others, *self.unknowns))


def with_real_coordinates(expression: Any, names: tuple[str, ...], others: tuple[Any, ...] = ()) -> Any:
    """Return the expression with all symbols of these names replaced by the coordinates' real symbols."""
    real = dict(zip(names, symbols(names), strict=True))
    swaps = {s: real[s.name] for s in expression.free_symbols if s.name in real and s not in others}
    return expression.xreplace(swaps)


def exact_expressions(problem: Problem) -> Fields | None:
    """Return the known solution with the parameters of `problem`, None without a method ``exact``."""
    method = getattr(problem, "exact", None)
    if method is None:
        return None
    names = problem.domain.names
    given = dict(zip(names, symbols(names), strict=True))
    result = method(**{name: given[name] for name in asked(method, names, "exact")})
    if isinstance(result, Mapping):
        result = [result[field] for field in problem.fields]
    parts = result if isinstance(result, (tuple, list)) else [result]
    return tuple(exactly(with_real_coordinates(expression_of(part), names).doit()) for part in parts)


def _named(result: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(result, Mapping):
        yield from ((str(key), row) for key, row in result.items())
    elif isinstance(result, (tuple, list)) and len(result) > 1:
        yield from ((f"{name}_{i}", row) for i, row in enumerate(result, start=1))
    else:
        yield name, result[0] if isinstance(result, (tuple, list)) else result
