"""The state of a search as tensors and JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kanpde.errors import ConfigurationError, Ending
from kanpde.marching.axes import SplineAxis
from kanpde.marching.tensor_trains.algebra import Train
from kanpde.marching.tensor_trains.search import Attempt, Found, Iterate, SearchState

FORMAT = 1  # version of the file format
Tensors = dict[str, Tensor]


def write(state: SearchState) -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors and the JSON of a state."""
    attempt, iterate, best = state.attempt, state.iterate, state.best
    tensors = written("attempt", attempt.axes, attempt.trains)
    numbers: dict[str, Any] = {
        "format": FORMAT,
        "attempt": {"kind": attempt.kind, "number": attempt.number, **sizes(attempt.axes, attempt.trains)},
        "version": state.version,
        "failed": list(state.failed),
        "done": None if state.done is None else state.done.name,
        "iterate": None,
        "best": None,
    }
    if iterate is not None:
        tensors |= {"vector": iterate.vector, **{f"scale.{i}": each for i, each in enumerate(iterate.scales)}}
        numbers["iterate"] = {"damping": iterate.damping, "losses": list(iterate.losses), "scales": len(iterate.scales)}
    if best is not None:
        tensors |= written("best", best.axes, best.trains)
        own = {name: getattr(best, name) for name in ("constants", "residual", "amplified")}
        numbers["best"] = {**own, **sizes(best.axes, best.trains)}
    return tensors, numbers


def read(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> SearchState:
    """Return the state that `write` wrote; raise ConfigurationError if another version of kanpde wrote it."""
    if numbers.get("format") != FORMAT:
        raise ConfigurationError("expected a checkpoint of this version of kanpde, got another one's; start a new run")
    own, iterate, best = numbers["attempt"], numbers["iterate"], numbers["best"]
    attempt = Attempt(own["kind"], int(own["number"]), *parts("attempt", own, tensors))
    found = None
    if best is not None:
        constants = tuple(map(float, best["constants"]))
        found = Found(*parts("best", best, tensors), constants, float(best["residual"]), float(best["amplified"]))
    if iterate is not None:
        scales = tuple(tensors[f"scale.{i}"].cpu() for i in range(iterate["scales"]))
        iterate = Iterate(tensors["vector"].cpu(), scales, float(iterate["damping"]), tuple(iterate["losses"]))
    done = None if numbers["done"] is None else Ending[numbers["done"]]
    return SearchState(attempt, iterate, found, int(numbers["version"]), tuple(numbers["failed"]), done)


def sizes(axes: Sequence[SplineAxis], trains: Sequence[Train]) -> dict[str, Any]:
    """Return the JSON without which the tensors of `written` are not complete."""
    return {
        "fields": len(trains),
        "degree": axes[0].degree,
        "periodic": [axis.periodic for axis in axes],
    }


def written(name: str, axes: Sequence[SplineAxis], trains: Sequence[Train]) -> Tensors:
    """Return the breakpoints and the cores as tensors."""
    result = {f"{name}.axis.{a}": torch.as_tensor(axis.breakpoints) for a, axis in enumerate(axes)}
    for f, train in enumerate(trains):
        result |= {f"{name}.core.{f}.{a}": torch.as_tensor(core) for a, core in enumerate(train)}
    return result


def parts(
    name: str, numbers: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[tuple[SplineAxis, ...], tuple[Train, ...]]:
    """Return the axes and the trains."""
    periodic = numbers["periodic"]
    axes = tuple(
        SplineAxis(tensors[f"{name}.axis.{a}"].cpu().numpy(), int(numbers["degree"]), bool(around))
        for a, around in enumerate(periodic)
    )
    trains = tuple(
        tuple(tensors[f"{name}.core.{f}.{a}"].cpu().numpy() for a in range(len(periodic)))
        for f in range(numbers["fields"])
    )
    return axes, trains
