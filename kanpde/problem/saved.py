"""What a file says of a problem: its description, its samples, and the problem that they give back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import ConfigurationError
from kanpde.problem import registry, text_json
from kanpde.problem.from_text import TextProblem
from kanpde.problem.problem import Problem
from kanpde.problem.regression import DataBox, Regression
from kanpde.problem.unknown_function import Function

SAMPLES = tuple(f"samples.{name}" for name in ("points", "values", "held_out_points", "held_out_values", "box"))


def samples_of(problem: Problem) -> dict[str, Tensor]:
    """Return the samples of a regression as tensors for a file, with its box; nothing for other problems."""
    if not isinstance(problem, Regression):
        return {}
    samples = problem.points, problem.values, problem.held_out_points, problem.held_out_values
    box = np.stack([problem.domain.low, problem.domain.high])
    return {name: torch.as_tensor(array) for name, array in zip(SAMPLES, [*samples, box], strict=True)}


def regression_of(tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> Regression:
    """Return the regression that `samples_of` and `described` have written."""
    *samples, box = (tensors[name].cpu().double().numpy() for name in SAMPLES)
    names = description["coordinates"]
    domain = DataBox(**dict(zip(names, box.T.tolist(), strict=True)))
    return Regression(domain, samples[0], samples[1], tuple(description["fields"]), samples[2], samples[3])


def described(problem: Problem) -> dict[str, Any]:
    """Return the description of a problem that a file stores, in the form in which JSON reads it back."""
    unknowns = tuple(f"{n} = {each}" if isinstance(each, Function) else n for n, each in problem.unknowns.items())
    names = {"coordinates": problem.domain.names, "fields": problem.fields, "unknowns": unknowns}
    description = {"name": problem.name, "parameters": json_parameters(problem.parameters()), **names}
    if isinstance(problem, TextProblem):
        description["text"] = text_json.to_json(problem)
    return dict(json.loads(json.dumps(description)))


def restored(description: Mapping[str, Any]) -> Problem:
    """Return the problem of a description: from its own text, else from the registry by its name."""
    name, parameters = description["name"], description["parameters"]
    if "text" in description:
        return text_json.from_json(name, description["text"], parameters)
    return registry.load_problem(name, **parameters)


def check_saved(path: str | Path, got: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if the file at `path` describes another problem than expected."""
    for key, value in expected.items():
        if got.get(key) != value:
            raise ConfigurationError(
                f"expected the {key} {value} at {path}, got {got.get(key)}; give the problem that was saved there"
            )


def json_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that JSON can represent, with NumPy numbers converted to Python numbers."""
    numbers = {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items()}
    return {name: value for name, value in numbers.items() if _in_json(value)}


def _in_json(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_in_json, value))
    return isinstance(value, (bool, int, float, str, type(None)))
