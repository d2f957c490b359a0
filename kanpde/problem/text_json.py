"""Store a problem made by `problem_from` as JSON, so that a file of its solution holds the problem too."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.expressions import real_expression
from kanpde.calculus.text import parse_expression
from kanpde.errors import ProblemError
from kanpde.geometry.box import Box, as_box
from kanpde.problem import conditions
from kanpde.problem.constraint import Constraint
from kanpde.problem.equation_text import exact_decimals, written
from kanpde.problem.from_text import TextProblem, problem_from, writable
from kanpde.problem.jet_text import JetVocabulary
from kanpde.problem.problem import Problem
from kanpde.problem.unknown_function import Function

MISSING = "missing"  # the key of the reason why a problem cannot be stored


def to_json(problem: TextProblem) -> dict[str, Any]:
    """Return a problem as JSON without its parameters' values; the reason under `MISSING` if it can't be stored."""
    words = problem.written
    box = as_box(problem.domain)
    if box is None:
        return {MISSING: f"its domain, {problem.domain}, is no Box"}
    try:
        found = {name: _condition(problem, name, condition) for name, condition in words.conditions.items()}
    except ProblemError as error:
        return {MISSING: str(error)}
    named = isinstance(words.equations, Mapping)
    return {
        "equations": words.equations if named else list(words.equations),
        "domain": [[name, *bounds] for name, bounds in box.bounds().items()],
        "conditions": found,
        "fields": list(problem.fields),
        "unknowns": {
            name: each.to_json() if isinstance(each, Function) else each for name, each in problem.unknowns.items()
        },
        "exact": words.exact,
        "source": words.source,
    }


def from_json(name: str, text: Mapping[str, Any], parameters: Mapping[str, Any]) -> Problem:
    """Return the problem of `to_json`; raise ProblemError if it could not be stored."""
    if MISSING in text:
        raise ProblemError(f"the file can't hold its problem: {text[MISSING]}; give Solution.load(path, problem=...)")
    domain = Box(**{axis: (low, high) for axis, low, high in text["domain"]})
    found = {key: _KINDS[kind](**attributes) for key, (kind, attributes) in text["conditions"].items()}
    return problem_from(
        text["equations"],
        domain=domain,
        conditions=found,
        parameters=parameters,
        fields=text["fields"],
        unknowns={
            name: Function.from_json(each) if isinstance(each, Mapping) else each
            for name, each in text["unknowns"].items()
        },
        exact=text["exact"],
        source=text["source"],
        name=name,
    )


_KINDS: dict[str, Any] = {name: getattr(conditions, name) for name in conditions.__all__ if name != Constraint.__name__}


def _condition(problem: TextProblem, name: str, condition: Constraint) -> list[Any]:
    """Return the kind and the attributes of a condition; raise ProblemError if one of them is code."""
    kind = type(condition).__name__
    if _KINDS.get(kind) is not type(condition):
        raise ProblemError(f"the condition {name!r} is of your own class {kind}")
    attributes = {f.name: getattr(condition, f.name) for f in dataclasses.fields(condition)}
    values = {key: _text(problem, name, value) for key, value in writable(condition) if isinstance(value, sp.Expr)}
    return [kind, {**{key: _plain(name, value) for key, value in attributes.items() if key not in values}, **values}]


def _plain(name: str, value: Any) -> Any:
    """Return an attribute that is no expression as JSON."""
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if hasattr(value, "tolist"):  # of NumPy or torch
        return np.asarray(value).tolist()
    if isinstance(value, sp.Expr) and value.is_number:
        return float(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ProblemError(f"the condition {name!r} has a function of Python's")


def _text(problem: TextProblem, name: str, value: Any) -> str:
    """Return an expression as a text from which it can be read again."""
    parameters = tuple(problem.parameters())
    text = written(value)
    try:
        again = parse_expression(text, JetVocabulary(problem.domain.names, (), parameters))
    except ProblemError:
        again = None
    if again != real_expression(exact_decimals(value), (*problem.domain.names, *parameters)):
        raise ProblemError(f"the value of the condition {name!r} can't be written as text: {value}")
    return text
