"""Functions that are singular at a point, in the plane or in space, and their jets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from kanpde.calculus.corner_functions import Around, Corner, CornerFunction
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.solid_harmonics import Centre, SolidHarmonic, harmonic_jets

SingularFunction = CornerFunction | SolidHarmonic


def jets_of(functions: Sequence[SingularFunction], points: Tensor, plan: JetPlan) -> Tensor:
    """Return the partials (n, S, K) of K functions at points (n, 2) or (n, 3)."""
    found = points.new_zeros(len(points), len(plan), len(functions))
    for corner in dict.fromkeys(function.corner for function in functions):
        places = [k for k, function in enumerate(functions) if function.corner == corner]
        found[:, :, places] = _about(corner, [functions[k] for k in places], points, plan)
    return found


def _about(corner: Corner | Centre, functions: Sequence[Any], points: Tensor, plan: JetPlan) -> Tensor:
    """Return the partials of functions of one point."""
    if isinstance(corner, Centre):
        return harmonic_jets(functions, points, plan)
    around = Around(corner, points)
    return torch.stack([function.jets(points, plan, around) for function in functions], dim=2)


def functions_to_json(functions: Sequence[SingularFunction]) -> list[dict[str, Any]]:
    """Return functions as JSON, for `functions_from_json`."""
    return [asdict(each) for each in functions]


def functions_from_json(saved: Sequence[Mapping[str, Any]]) -> tuple[SingularFunction, ...]:
    """Return the functions that `functions_to_json` wrote."""
    functions: list[SingularFunction] = []
    for each in saved:
        pairs = each["corner"].items()
        named: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in pairs}
        kind, place = (SolidHarmonic, Centre) if "degree" in each else (CornerFunction, Corner)
        functions.append(kind(**{**each, "corner": place(**named)}))
    return tuple(functions)
