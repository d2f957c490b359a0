"""The state of a march, on which its next step depends, as frozen values; and its file format, tensors and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.corner_functions import Corner, CornerFunction
from kanpde.calculus.solid_harmonics import Centre, SolidHarmonic
from kanpde.errors import ConfigurationError, Ending
from kanpde.marching.axes import LegendreAxis, SplineAxis
from kanpde.marching.slabs import Pass, Slab

FORMAT = 2  # version of the file format; version 1 was a list of attributes


@dataclass(frozen=True)
class Counters:
    """The record of the attempts at one slab.

    `tries` is the number of attempts. The last `stalls` of them gained little over `reached`, the last residual on the
    same part of time. `uncut` is the residual at which the slab was last cut because finer knots did not help, and
    `unstarted` how far it then was from the initial values.
    """

    tries: int = 0
    stalls: int = 0
    reached: float = math.inf
    uncut: float = math.inf
    unstarted: float = math.inf


@dataclass(frozen=True, eq=False)
class Attempt:
    """One attempt at a slab: its part of time, between the shares `low` and `high`, and its spline axes."""

    low: float
    high: float
    axes: tuple[SplineAxis, ...]
    counters: Counters = Counters()


@dataclass(frozen=True, eq=False)
class Iterate:
    """The iterate of Gauss–Newton in an attempt, after `iteration` steps.

    `scales` divide the rows of each block; they are None before the first step. They are measured at the initial guess,
    or after the first step if the initial guess is zero (`fresh`). `moved` is the relative size of the last step and
    `damping` its λ; both are None before the first step. `changed` is the relative size of the attempt's first step,
    from the solution on coarser axes; infinite if it started from nothing.
    """

    vector: Tensor
    fresh: bool
    scales: tuple[Tensor, ...] | None = None
    iteration: int = 0
    moved: float | None = None
    damping: float | None = None
    changed: float = math.inf


@dataclass(frozen=True, eq=False)
class Anchor:
    """The point at which the present factor was computed: the attempt, the vector, the scales of the rows, and λ.

    `joined` is True if the slab follows another one.
    """

    attempt: Attempt
    joined: bool
    vector: Tensor
    scales: tuple[Tensor, ...]
    damping: float


@dataclass(frozen=True, eq=False)
class MarchState:
    """The state of a march between two steps.

    `length` is the largest length of the next slab, `level` the index of the pass's tolerance, `passes` the number of
    complete passes, `slabs` the solved slabs of the present pass, `best` the best complete pass, `anchor` the point of
    the present factor, and `done` how the march ended, None before the end. `starts` are the solutions of the first
    attempt from the starts of unknown constants that have been tried. `long` is True in the only pass of a long
    evolution. `closed` is True after a pass until the next one is opened, whose attempt is then not yet known.
    """

    attempt: Attempt
    iterate: Iterate
    length: float
    level: int = 0
    passes: int = 0
    slabs: tuple[Slab, ...] = ()
    best: Pass | None = None
    anchor: Anchor | None = None
    done: Ending | None = None
    starts: tuple[Slab, ...] = ()
    long: bool = False
    closed: bool = False

    @property
    def last(self) -> Slab | None:
        """The slab before the present attempt; None if that is the first one."""
        return self.slabs[-1] if self.slabs else None


KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Counters,
        Attempt,
        Iterate,
        Anchor,
        MarchState,
        Slab,
        Pass,
        SplineAxis,
        LegendreAxis,
        Corner,
        CornerFunction,
        Centre,
        SolidHarmonic,
    )
}


def write(state: MarchState) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and JSON from which `read` restores the same state, shared objects included."""
    writer = Writer()
    root = writer.value(state)
    return writer.tensors, {"format": FORMAT, "objects": writer.objects, "state": root}


class Writer:
    """A list of objects, each written once, whose fields refer to tensors and to earlier objects.

    Slabs share their axes, and results are cached by axis, so a shared axis must be read as one object again.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.objects: list[dict[str, Any]] = []
        self._places: dict[int, int] = {}

    def value(self, value: Any) -> Any:
        """Return a value as JSON."""
        if isinstance(value, Ending):
            return {"ending": value.name}
        if isinstance(value, Tensor):
            return {"tensor": self._add_tensor(value)}
        if isinstance(value, np.ndarray):
            return {"array": self._add_tensor(torch.from_numpy(value))}
        if isinstance(value, tuple):
            return [self.value(each) for each in value]
        return {"object": self._add_object(value)} if is_dataclass(value) else value

    def _add_tensor(self, tensor: Tensor) -> str:
        name = str(len(self.tensors))
        self.tensors[name] = tensor
        return name

    def _add_object(self, value: Any) -> int:
        if id(value) not in self._places:
            written = {field.name: self.value(getattr(value, field.name)) for field in fields(value)}
            self.objects.append({"kind": type(value).__name__, "fields": written})
            self._places[id(value)] = len(self.objects) - 1
        return self._places[id(value)]


def read(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any], device: torch.device) -> MarchState:
    """Return the state that `write` wrote, with tensors on `device`.

    Raises ConfigurationError if another version of kanpde wrote it in another format.
    """
    if numbers.get("format") != FORMAT:
        raise ConfigurationError(
            f"expected a checkpoint of a march in format {FORMAT}, got format {numbers.get('format', 1)} of another "
            "version of kanpde; start the run again"
        )
    reader = Reader(tensors, device)
    for each in numbers["objects"]:
        named = {name: reader.value(value) for name, value in each["fields"].items()}
        reader.objects.append(KINDS[each["kind"]](**named))
    state = reader.value(numbers["state"])
    assert isinstance(state, MarchState)
    return state


class Reader:
    """The inverse of `Writer`; `objects` are the objects read so far."""

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        self._tensors, self._device = tensors, device
        self.objects: list[Any] = []

    def value(self, value: Any) -> Any:
        """Return the value that this JSON represents."""
        if isinstance(value, list):
            return tuple(self.value(each) for each in value)
        if not isinstance(value, Mapping):
            return value
        ((key, name),) = value.items()
        if key == "object":
            return self.objects[name]
        if key == "ending":
            return Ending[name]
        return self._tensors[name].to(self._device) if key == "tensor" else self._tensors[name].cpu().numpy()
