"""A march written down, and taken up again exactly where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array
from kanpde.marching.axes import Axis, LegendreAxis, SplineAxis
from kanpde.marching.march import Anchor, March
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.tensor_product import TensorProduct

# The attributes that are written down as they are.
COUNTERS = (
    "level",
    "length",
    "done",
    "passes",
    "tries",
    "stalls",
    "reached",
    "uncut",
    "low",
    "high",
    "iteration",
    "moved",
    "fresh",
    "most",
)


def written(march: March) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON that `read` takes up."""
    tensors = {"vector": march.vector}
    tensors |= {f"scale.{number}": scale for number, scale in enumerate(march.system.scales)}
    numbers: dict[str, Any] = {name: getattr(march, name) for name in COUNTERS}
    numbers |= {"damping": march.method.damping, "blocks": len(march.system.scales)}
    numbers["degree"] = march.degree
    numbers["axes"] = [described(axis, f"axis.{a}", tensors) for a, axis in enumerate(march.axes)]
    numbers["slabs"] = [slab_of(slab, f"slab.{i}", tensors) for i, slab in enumerate(march.slabs)]
    if march.anchor is not None and march.anchored:
        tensors["anchor.vector"] = march.anchor.vector
        tensors |= {f"anchor.scale.{number}": scale for number, scale in enumerate(march.anchor.scales)}
        numbers["anchor"] = {key: getattr(march.anchor, key) for key in ("low", "high", "damping")}
    best = march.best.slabs if march.best else ()
    numbers["best"] = [slab_of(slab, f"best.{i}", tensors) for i, slab in enumerate(best)]
    return tensors, numbers


def read(march: March, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Take up what `written` gave."""
    for name in COUNTERS:
        setattr(march, name, numbers[name])
    march.axes = tuple(spline_of(d, f"axis.{a}", tensors) for a, d in enumerate(numbers["axes"]))
    march.slabs = [slab_from(d, f"slab.{i}", tensors) for i, d in enumerate(numbers["slabs"])]
    best = tuple(slab_from(d, f"best.{i}", tensors) for i, d in enumerate(numbers["best"]))
    march.best = Pass(best) if best else None
    like = march.vector
    scales = tuple(tensors[f"scale.{n}"].to(like) for n in range(numbers["blocks"]))
    anchor = None
    if "anchor" in numbers:
        there = tuple(tensors[f"anchor.scale.{n}"].to(like) for n in range(numbers["blocks"]))
        anchor = Anchor(vector=tensors["anchor.vector"].to(like), scales=there, **numbers["anchor"])
    march.reopen(tensors["vector"].to(like), scales, anchor)
    march.method.damping = numbers["damping"]


def slab_of(slab: Slab, name: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The slab as JSON, its arrays among the tensors."""
    tensors[f"{name}.coefficients"] = torch.from_numpy(slab.coefficients)
    tensors[f"{name}.constants"] = torch.from_numpy(slab.constants)
    axes = [described(axis, f"{name}.axis.{a}", tensors) for a, axis in enumerate(slab.space.axes)]
    return {key: getattr(slab, key) for key in ("low", "high", "residual", "tail", "flat")} | {"axes": axes}


def slab_from(numbers: Mapping[str, Any], name: str, tensors: Mapping[str, Tensor]) -> Slab:
    """The inverse of `slab_of`."""
    axes = [axis_of(d, f"{name}.axis.{a}", tensors) for a, d in enumerate(numbers["axes"])]
    coefficients, constants = (array(tensors[f"{name}.{key}"]) for key in ("coefficients", "constants"))
    low, high, residual, tail, flat = (numbers[key] for key in ("low", "high", "residual", "tail", "flat"))
    return Slab(low, high, TensorProduct(axes), coefficients, constants, residual, tail, flat)


def described(axis: Axis, name: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The axis as JSON, its breakpoints among the tensors."""
    tensors[name] = torch.from_numpy(axis.breakpoints)
    return {"degree": axis.degree, "periodic": axis.periodic if isinstance(axis, SplineAxis) else None}


def axis_of(numbers: Mapping[str, Any], name: str, tensors: Mapping[str, Tensor]) -> Axis:
    """The inverse of `described`."""
    if numbers["periodic"] is None:
        return LegendreAxis(array(tensors[name]), numbers["degree"])
    return spline_of(numbers, name, tensors)


def spline_of(numbers: Mapping[str, Any], name: str, tensors: Mapping[str, Tensor]) -> SplineAxis:
    """An axis of splines."""
    return SplineAxis(array(tensors[name]), numbers["degree"], numbers["periodic"])


def array(tensor: Tensor) -> Array:
    """The tensor's numbers in an array."""
    return np.asarray(tensor.cpu().numpy())
