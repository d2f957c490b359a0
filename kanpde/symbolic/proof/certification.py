"""Turn an ansatz into a formula with a proof: refit its constants, make them exact, and prove the result."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.expressions import numpy_function, real_expression, symbols
from kanpde.geometry.shape import Shape
from kanpde.problem.problem import Problem
from kanpde.problem.regression import Regression
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.constants.exact_constants import SOLVES, Snapped, exponents, recognised, snap
from kanpde.symbolic.constants.fit import Fit, LeastSquares, expressions_of, started
from kanpde.symbolic.constants.recognition import exact_number, exactly
from kanpde.symbolic.constants.redundancy import drop_redundant
from kanpde.symbolic.constants.uncertainty import deviations
from kanpde.symbolic.proof.simplification import tidy
from kanpde.symbolic.proof.smoothness import irregularities
from kanpde.symbolic.proof.statement import Statement, real_parameters, state
from kanpde.symbolic.proof.tracing import Untraceable
from kanpde.symbolic.proof.vanishing import Step, show

Surrogate = Callable[[Array, MultiIndex], Array]

# The largest relative residual of an ansatz that solves its problem up to round-off.
ROUND_OFF = 1e-12
CLOSE = 0.05
"""The largest relative distance from a surrogate, if no tolerance is given."""
EXPANSION_SECONDS = 3.0  # time for multiplying an expression out
NEGLIGIBLE = 1e-10  # share of the largest coefficient below which a term of a sum is left out


@dataclass(frozen=True)
class Certificate:
    """The verdict on an ansatz.

    `expressions` (field -> SymPy) have the problem's parameters as numbers, `general` as symbols, whose exact values
    are `parameters`. `status` is "proved" if SymPy showed that the equation and every condition vanish identically and
    the formula is smooth on the closed domain; "numeric" if only numbers show this; else "none". `reason`
    is the obstacle to a proof, `undetermined` the constants that the conditions leave open, `steps` the lines of the
    proof.
    """

    expressions: dict[str, Any]
    status: str
    residual: float
    constants: dict[str, Any]
    general: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    reason: str = ""
    undetermined: tuple[str, ...] = ()

    @property
    def expression(self) -> Any:
        """The expression of the only field; for a system, the dict of all expressions."""
        return next(iter(self.expressions.values())) if len(self.expressions) == 1 else self.expressions

    @property
    def proved(self) -> bool:
        return self.status == "proved"


def certify(
    ansatz: Any,
    constants: Mapping[Any, float] | None,
    problem: Problem,
    *,
    surrogate: Surrogate | None = None,
    tolerance: float | None = None,
    seconds: float = 30.0,
) -> Certificate:
    """Refit the constants of an ansatz on a problem, make them exact, and prove that the result solves it.

    `ansatz` is a SymPy expression in the coordinates, the problem's parameters and free constants, or a dict of
    expressions by field; `constants` maps each constant to its starting value. With None every decimal number of the
    ansatz is a free constant that starts there, as a formula read off a network needs it; multiplied out, without
    negligible terms, if that has fewer of them and is proved. If `surrogate(points (n, d),
    partial) -> (n, fields)` is given, the result must stay within the relative `tolerance` of it, which excludes other
    solutions, for example u = 0. Raises ProblemError if the ansatz has other symbols.
    """
    given = expressions_of(ansatz, problem)
    certified = functools.partial(_certified, problem=problem, surrogate=surrogate, tolerance=tolerance)
    if constants is not None:
        return certified(given, constants, seconds=seconds)
    free, shorter = _freed(given), _freed(tuple(map(multiplied_out, given)))
    if len(shorter[1]) < len(free[1]):
        found = certified(*shorter, seconds=seconds / 2)
        if found.proved:
            return found
    return certified(*free, seconds=seconds)


def multiplied_out(expression: Any) -> Any:
    """Return an expression as a sum without negligible terms; as it is if that takes long.

    Networks of sums write a product a b as the difference of (a + b)² / 4 and (a − b)² / 4, with many decimal numbers.
    """
    with contextlib.suppress(TimeLimit, TypeError), time_limit(EXPANSION_SECONDS):
        terms = sp.Add.make_args(sp.expand(sp.expand_trig(expression)))
        sizes = [abs(float(term.as_coeff_Mul()[0])) for term in terms]
        return sp.Add(*(term for term, size in zip(terms, sizes, strict=True) if size > NEGLIGIBLE * max(sizes)))
    return expression


def _certified(
    given: tuple[Any, ...],
    constants: Mapping[Any, float],
    *,
    problem: Problem,
    seconds: float,
    surrogate: Surrogate | None,
    tolerance: float | None,
) -> Certificate:
    """Certify expressions whose constants have values to start from."""
    clock, squares = Clock(seconds), LeastSquares(problem)
    starts = started(constants, problem)
    expressions = tuple(_with_parameters(e, problem, starts) for e in given)
    fit = squares.fit(expressions, starts)
    found = _Candidate(problem, expressions, fit, squares)
    complaint = found.complaint(starts, surrogate, CLOSE if tolerance is None else tolerance)
    if complaint:
        return found.approximate(complaint)
    found.ansatz, found.fit = drop_redundant(found.ansatz, fit, squares, clock)
    try:
        return found.proof(clock)
    except Untraceable as error:
        return found.numeric(f"the problem's code cannot be read as a formula: {error}", recognised(found.fit))


def _freed(expressions: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[Any, float]]:
    """Return the expressions with constants in the places of their decimal numbers, and these numbers."""
    numbers = sorted(set().union(*(e.atoms(sp.Float) for e in map(sp.sympify, expressions))))
    names = sp.numbered_symbols("number_", sp.Symbol, real=True)
    constants = dict(zip(numbers, names, strict=False))
    freed = tuple(sp.sympify(e).xreplace(constants) for e in expressions)
    return freed, {constant: float(number) for number, constant in constants.items()}


def _with_parameters(expression: Any, problem: Problem, constants: Mapping[str, float]) -> Any:
    """Return the expression with the problem's parameters replaced by their values."""
    values = {name: value for name, value in real_parameters(problem).items() if name not in constants}
    symbols_: set[Any] = getattr(expression, "free_symbols", set())
    known = {s: exact_number(values[s.name]) for s in symbols_ if s.name in values}
    return expression.subs(known) if known else expression


@dataclass
class _Candidate:
    """An ansatz with fitted constants, before its certification."""

    problem: Problem
    ansatz: tuple[Any, ...]
    fit: Fit
    squares: LeastSquares

    def __post_init__(self) -> None:
        names = (*self.problem.domain.names, *self.fit.constants)
        self.ansatz = tuple(exactly(real_expression(e, names)) for e in self.ansatz)

    def complaint(self, starts: Mapping[str, float], surrogate: Surrogate | None, tolerance: float) -> str:
        """Return the reason why it is not the wanted solution, empty if it is."""
        if not self.fit.residual < SOLVES:
            return f"the refit leaves a relative residual of {self.fit.residual:.1e}" + self.known_to()
        points = self.squares.points.numpy()
        values = self.values(points, self.fit.constants)
        if surrogate is None:
            trivial = not np.abs(values).max() > 1e-9 * np.abs(self.values(points, starts)).max()
            return "it is the trivial solution u = 0; others are not ruled out" if trivial else ""
        target = surrogate(points, ())
        distance = float(np.linalg.norm(values - target) / max(float(np.linalg.norm(target)), 1e-300))
        if distance <= tolerance:
            return ""
        return f"it is a solution {distance:.1e} away from the network, where {tolerance:.1e} is allowed"

    def known_to(self) -> str:
        """Return the standard deviations of the constants of a formula of data, in words."""
        if not isinstance(self.problem, Regression) or not self.fit.spread:
            return ""
        spread = deviations(self.fit, self.problem.values.size)
        words = (f"{value:.6g} to {spread[name]:.1g}" for name, value in self.fit.constants.items())
        return "; its constants are known to one standard deviation: " + ", ".join(words)

    def values(self, points: Array, constants: Mapping[str, float]) -> Array:
        """Return the fields at points, (n, fields)."""
        numbers = {symbols([name])[0]: sp.Float(value) for name, value in constants.items()}
        names = self.problem.domain.names
        functions = [numpy_function(expression.subs(numbers), names) for expression in self.ansatz]
        with np.errstate(all="ignore"):
            return np.stack([function(*points.T) for function in functions], axis=-1)

    def with_constants(self, constants: Mapping[str, Any]) -> tuple[Any, ...]:
        values = {symbols([name])[0]: value for name, value in constants.items()}
        return tuple(expression.subs(values) for expression in self.ansatz)

    def named(self, expressions: tuple[Any, ...]) -> dict[str, Any]:
        return dict(zip(self.problem.fields, expressions, strict=True))

    def floats(self) -> dict[str, Any]:
        return {name: sp.Float(value) for name, value in self.fit.constants.items()}

    def approximate(self, reason: str) -> Certificate:
        """Return the certificate of an expression that is an approximation at best."""
        expressions = self.named(self.with_constants(self.floats()))
        open_ = tuple(self.undetermined()) if self.fit.residual < SOLVES else ()
        return Certificate(expressions, "none", self.fit.residual, self.floats(), reason=reason, undetermined=open_)

    def numeric(self, reason: str, constants: Mapping[str, Any] | None = None) -> Certificate:
        """Return the certificate of an expression that solves the problem in double precision."""
        if not self.fit.residual < ROUND_OFF:
            return self.approximate(f"the refit leaves a relative residual of {self.fit.residual:.1e}; {reason}")
        best = {**self.floats(), **(constants or {})}
        expressions = self.named(self.with_constants(best))
        step = Step("every equation", "double precision", f"vanishes to {self.fit.residual:.1e}", 0.0)
        return Certificate(
            expressions,
            "numeric",
            self.fit.residual,
            best,
            expressions,
            {},
            (step,),
            reason,
            tuple(self.undetermined()),
        )

    def undetermined(self) -> list[str]:
        """Return the constants that the conditions leave open, in words."""
        return [
            "the conditions leave open " + " : ".join(direction)
            + (" in the ratio " + " : ".join(f"{v:.3g}" for v in direction.values()) if len(direction) > 1 else "")
            for direction in self.fit.undetermined
        ]  # fmt: skip

    def proof(self, clock: Clock) -> Certificate:
        """Return the certificate with parameters as symbols if that can be proved, else with numbers."""
        statement = state(self.problem)
        best: Certificate | None = None
        if statement.parameters:
            powers, stays = exponents(self.ansatz, self.fit, statement, clock)
            if stays:
                statement = state(self.problem, [symbol.name for symbol in stays])
                best = self.proved(statement, snap(self.ansatz, self.fit, statement, powers, clock), clock)
        if best is None or not best.proved:
            statement = state(self.problem, [])
            snapped = snap(self.ansatz, self.fit, statement, {}, clock)
            special = self.proved(statement, snapped, clock)
            best = special if best is None or special.proved or best.status == "none" else best
        return best

    def proved(self, statement: Statement, snapped: Snapped, clock: Clock) -> Certificate:
        """Return the certificate with these constants."""
        if snapped.open:
            return self.numeric(f"no exact value was found for {', '.join(snapped.open)}", snapped.values)
        return _Proof(self, statement, snapped.values, clock).certificate()


@dataclass
class _Proof:
    """The proof of an ansatz with exact constants."""

    candidate: _Candidate
    statement: Statement
    constants: dict[str, Any]
    clock: Clock

    def certificate(self) -> Certificate:
        candidate, statement = self.candidate, self.statement
        general = tuple(tidy(expression) for expression in candidate.with_constants(self.constants))
        special = tuple(expression.subs(statement.parameters) for expression in general)
        steps = [self.regular(special), *self.equations(general)]
        status, reason = self.verdict(steps)
        if status != "none":
            steps += self.comparison(general, special)
        parameters = {symbol.name: value for symbol, value in statement.parameters.items()}
        return Certificate(
            candidate.named(special),
            status,
            candidate.fit.residual,
            dict(self.constants),
            candidate.named(general),
            parameters,
            tuple(steps),
            reason,
            tuple(candidate.undetermined()),
        )

    def verdict(self, steps: list[Step]) -> tuple[str, str]:
        failed = [step for step in steps if step.fails]
        if failed:
            return "none", f"{failed[0].what} {failed[0].outcome}"
        unsure = [step for step in steps if not step.holds]
        if any(step.outcome == "is undecided" for step in unsure):
            return "numeric" if self.candidate.fit.residual < ROUND_OFF else "none", f"{unsure[0].what} is undecided"
        if unsure:
            return "numeric", f"{unsure[0].what} was seen to vanish at points only"
        if self.statement.measured:
            return "numeric", f"{', '.join(self.statement.measured)} are measurements, about which there is no proof"
        return "proved", "; ".join(self.candidate.undetermined())

    def regular(self, special: tuple[Any, ...]) -> Step:
        """Return the step that tests for poles, branch cuts and kinks in the closed domain."""
        bounds = dict(zip(self.statement.coordinates, self.statement.bounds, strict=True))
        start, shape = self.clock.passed, self.statement.problem.domain
        if not isinstance(shape, Shape):
            return Step("smoothness on the closed domain", "", "is undecided", 0.0)
        complaints = [c for expression in special for c in irregularities(expression, bounds, self.clock, shape)]
        outcome = f"is not certain: {complaints[0]}" if complaints else "holds"
        return Step("smoothness on the closed domain", "interval arithmetic", outcome, self.clock.passed - start)

    def equations(self, general: tuple[Any, ...]) -> list[Step]:
        steps: list[Step] = []
        found = {symbol: self.constants[symbol.name] for symbol in self.statement.unknowns}
        for equation in self.statement.equations:
            step = self.vanishing(equation.title, equation.of(general).subs(found), inside=equation.face is None)
            # An equation may hold on a face without a formula and not elsewhere.
            unsure = step.fails and equation.face in self.statement.unknown_faces
            steps.append(replace(step, how="", outcome="is undecided") if unsure else step)
            if steps[-1].fails:
                break
        return steps

    def comparison(self, general: tuple[Any, ...], special: tuple[Any, ...]) -> list[Step]:
        """Return the steps that compare the formula with the known solution, which may be one of several."""
        if self.statement.exact is None:
            return []
        steps = []
        for name, mine, known in zip(self.candidate.problem.fields, general, self.statement.exact, strict=True):
            values = self.statement.parameters
            steps.append(self.vanishing(f"{name} minus the known solution", mine.subs(values) - known.subs(values)))
        return steps

    def vanishing(self, what: str, expression: Any, inside: bool = True) -> Step:
        """Return the step that tests if an expression vanishes, with the coordinates' signs in the domain assumed.

        Points in numbers are those of a box inside the domain, or of the box around it, in which its faces lie.
        """
        boxes: dict[Any, tuple[Any, Any]] = {}
        signed = {}
        for symbol, (low, high) in zip(self.statement.coordinates, self.statement.bounds, strict=True):
            signed[symbol] = sp.Dummy(symbol.name, real=True, **_signs(low, high))
            boxes[signed[symbol]] = self.inner[symbol] if inside else (low, high)
        for symbol, value in self.statement.parameters.items():
            boxes[symbol] = (value * sp.Rational(9, 10), value * sp.Rational(11, 10))
        boxes.update({symbol: box for symbol, box in self.statement.others.items() if expression.has(symbol)})
        return show(what, expression.xreplace(signed), boxes, self.clock)

    @functools.cached_property
    def inner(self) -> dict[Any, tuple[Any, Any]]:
        """The bounds of the coordinates in a box inside the domain."""
        shape = self.statement.problem.domain
        if not isinstance(shape, Shape) or shape.is_box:
            return dict(zip(self.statement.coordinates, self.statement.bounds, strict=True))
        low, high = ([sp.Rational(str(round(float(c), 6))) for c in corner] for corner in shape.inner_box())
        return dict(zip(self.statement.coordinates, zip(low, high, strict=True), strict=True))


def _signs(low: Any, high: Any) -> dict[str, bool]:
    if low >= 0:
        return {"positive": True} if low > 0 else {"nonnegative": True}
    if high <= 0:
        return {"negative": True} if high < 0 else {"nonpositive": True}
    return {}
