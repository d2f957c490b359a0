"""A solution as a torch program (.pt2) and as an ONNX graph: points (n, d) in, fields (n, f) out."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.calculus.functions import atom
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.splines import polynomial_pieces
from kanpde.errors import ConfigurationError
from kanpde.export.exportable import Exportable
from kanpde.export.plain import PlainLayer, check_smooth, plain_layers
from kanpde.files import write_atomically
from kanpde.network.base_functions import BASE_FUNCTIONS
from kanpde.network.trial_function import Model

PACKAGES = ("onnx", "onnxscript")  # which torch needs to write ONNX
POINTS = 4  # of the points that trace the program
NAMES = "kanpde.json"  # the file in a .pt2 that names the program's columns


def write_pt2(path: Path, solution: Exportable) -> None:
    """Write a program that `torch.export.load(path).module()` makes a function of points."""
    stream = io.BytesIO()
    with _quiet():
        torch.export.save(_traced(solution), stream, extra_files={NAMES: json.dumps(_names(solution))})
    write_atomically(path, lambda temporary: temporary.write_bytes(stream.getvalue()))


def write_onnx(path: Path, solution: Exportable) -> None:
    """Write an ONNX graph from "points" (n, d) to "values" (n, f), which is named in its metadata.

    Raises ConfigurationError without the packages that torch needs for it, or with singular functions at corners.
    """
    check_smooth(solution.model, ".onnx")
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"expected {' and '.join(PACKAGES)} for .onnx; pip install 'kanpde[onnx]'")
    with _quiet():
        program = torch.onnx.export(
            _traced(solution), (), dynamo=True, input_names=["points"], output_names=["values"], verbose=False
        )
    assert program is not None, "an export by dynamo returns a program"
    proto = program.model_proto
    for name, words in _names(solution).items():
        proto.metadata_props.add(key=name, value=", ".join(words))
    write_atomically(path, lambda temporary: temporary.write_bytes(proto.SerializeToString()))


def _names(solution: Exportable) -> dict[str, list[str]]:
    return {"coordinates": list(solution.problem.domain.names), "fields": list(solution.problem.fields)}


def _traced(solution: Exportable) -> Any:
    domain = solution.problem.domain
    module = PlainModel(solution.model)
    like = solution.model.network.first.coefficients
    points = torch.as_tensor(np.linspace(domain.low, domain.high, POINTS)).to("cpu", like.dtype)
    batch = torch.export.Dim("n", min=1)
    return torch.export.export(module, (points,), dynamic_shapes=({0: batch},))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide torch's warnings and progress about its own parts, of which a user can change nothing."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class PlainModel(nn.Module):
    """The fields of a model, from operations that other programs have: comparison, lookup, arithmetic."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        layers = plain_layers(model.network)
        dtype = model.network.first.coefficients.dtype
        self.layers = nn.ModuleList(PiecewiseLayer(layer, dtype) for layer in layers)
        self.ansatz = model.ansatz

    def forward(self, points: Tensor) -> Tensor:
        """Return the fields (n, f) at points (n, d)."""
        values = points
        for layer in self.layers:
            values = layer(values)
        if self.ansatz is None:
            return values
        lift, factor = self.ansatz.jets(points, JetPlan(points.shape[1], [()]))
        return lift[:, 0] + factor[:, 0] * values


class PiecewiseLayer(nn.Module):
    """A layer whose splines are polynomials of ξ = (x − left) / (right − left) − 1/2 on every interval."""

    left: Tensor
    inverse: Tensor
    polynomials: Tensor
    low: Tensor
    width: Tensor
    slopes: Tensor
    periodic: Tensor
    centre: Tensor
    half_width: Tensor
    weights: Tensor

    def __init__(self, layer: PlainLayer, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer = layer
        k, knots = layer.degree, layer.knots
        intervals = knots.shape[1] - 2 * k - 1
        windows = np.stack([layer.coefficients[:, j : j + intervals] for j in range(k + 1)], axis=-1)  # (i, n, o, k+1)
        breakpoints = knots[:, k : k + intervals + 1]
        arrays = {
            "left": breakpoints[:, :-1],
            "inverse": 1 / np.diff(breakpoints, axis=1),
            "polynomials": np.einsum("inpj,inoj->inpo", polynomial_pieces(knots, k), windows),
            "low": breakpoints[:, 0],
            "width": breakpoints[:, -1] - breakpoints[:, 0],
            "slopes": layer.slopes,
            "periodic": np.array(layer.periodic, dtype=np.float64),
            "centre": layer.centre,
            "half_width": layer.half_width,
            "weights": np.zeros(1) if layer.weights is None else layer.weights,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.as_tensor(array).to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return the nodes (n, nodes) from the inputs (n, i)."""
        subnodes = self._splines(x).sum(dim=1)
        if self.layer.base is not None:
            (base,) = BASE_FUNCTIONS[self.layer.base]((x - self.centre) / self.half_width, 1)
            subnodes = subnodes + base @ self.weights
        for one in self.layer.atoms:
            a, b, c, d = one.constants
            (value,) = atom(one.name).derivatives(a * x[:, one.source] + b, 1)
            place = torch.zeros_like(subnodes[0])
            place[one.target] = 1.0
            subnodes = subnodes + (c * value + d)[:, None] * place
        factors = subnodes[:, self.layer.sums :]
        return torch.cat([subnodes[:, : self.layer.sums], factors[:, 0::2] * factors[:, 1::2]], dim=1)

    def _splines(self, x: Tensor) -> Tensor:
        """Return the spline of every edge, (n, i, o), by Horner's rule."""
        if any(self.layer.periodic):
            x = x - self.periodic * torch.floor((x - self.low) / self.width) * self.width
        below, above = (x - self.low).clamp(max=0), (x - self.low - self.width).clamp(min=0)
        x = x - below - above
        interval = ((x[:, :, None] >= self.left).sum(dim=2) - 1).clamp(min=0)
        rows = torch.arange(x.shape[1], device=x.device)
        xi = ((x - self.left[rows, interval]) * self.inverse[rows, interval] - 0.5)[:, :, None]
        coefficients = self.polynomials[rows, interval]  # (n, i, k+1, o)
        value = coefficients[:, :, -1]
        for power in range(self.layer.degree - 1, -1, -1):
            value = value * xi + coefficients[:, :, power]
        return value + below[:, :, None] * self.slopes[:, 0] + above[:, :, None] * self.slopes[:, 1]
