"""A solution as a file of Python that needs NumPy alone (SciPy too, where an edge is a special function)."""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
from sympy.printing.numpy import SciPyPrinter

from kanpde.calculus.functions import atom
from kanpde.errors import ConfigurationError
from kanpde.export.exportable import Exportable
from kanpde.export.plain import PlainLayer, plain_layers, plain_name, plain_scaling
from kanpde.files import __version__, write_text

_BASES = {"silu": "x / (1 + numpy.exp(-x))", "tanh": "numpy.tanh(x)", "identity": "x"}

_TEMPLATE = '''"""{title}

evaluate({arguments}) returns {returned}; arrays broadcast. Written by kanpde {version}: a Kolmogorov-Arnold
network, whose edges are splines evaluated by de Boor's algorithm. It holds for {domain}.
"""

import numpy
{imports}

def evaluate({arguments}):
    """Return {returned} at {arguments}, numbers or arrays."""
    columns = numpy.broadcast_arrays({columns})
    values = numpy.stack([numpy.asarray(column, dtype=float).ravel() for column in columns], axis=1)
    for layer in LAYERS:
        values = _layer(values, *layer)
    values = MEANS + DEVIATIONS * values
    fields = [column.reshape(columns[0].shape) for column in values.T]
    return {result}


def _layer(x, degree, knots, coefficients, slopes, periodic, sums, base, atoms):
    """Return the nodes (n, nodes) of a layer with inputs x (n, i)."""
    nodes = 0.0
    for i in range(x.shape[1]):
        low, high = knots[i][degree], knots[i][-degree - 1]
        z = _wrapped(x[:, i], low, high) if periodic[i] else x[:, i]
        inside = numpy.clip(z, low, high)
        beyond = numpy.stack([numpy.minimum(z - low, 0), numpy.maximum(z - high, 0)], axis=1)
        nodes = nodes + _spline(inside, degree, knots[i], coefficients[i]) + beyond @ slopes[i]
    if base is not None:
        function, centre, half_width, weights = base
        nodes = nodes + function((x - centre) / half_width) @ weights
    for source, target, function, a, b, c, d in atoms:
        nodes[:, target] += c * function(a * x[:, source] + b) + d
    return numpy.concatenate([nodes[:, :sums], nodes[:, sums::2] * nodes[:, sums + 1 :: 2]], axis=1)


def _spline(x, degree, knots, coefficients):
    """Return the splines (n, o) with coefficients (m, o) at x (n,)."""
    intervals = len(knots) - 2 * degree - 1
    first = numpy.searchsorted(knots[degree + 1 : degree + intervals], x, side="right")
    values = coefficients[first[:, None] + numpy.arange(degree + 1)]
    for level in range(1, degree + 1):
        start = first[:, None] + numpy.arange(level, degree + 1)
        low, high = knots[start], knots[start + degree + 1 - level]
        ratio = ((x[:, None] - low) / (high - low))[:, :, None]
        values = (1 - ratio) * values[:, :-1] + ratio * values[:, 1:]
    return values[:, 0]


def _wrapped(x, low, high):
    """Return x moved by whole periods into the first one."""
    return x - numpy.floor((x - low) / (high - low)) * (high - low)


# Of each layer: the degree, the knots and coefficients of every input, the slopes of its splines beyond both ends,
# whether the input is periodic, the number of sum nodes (the others are multiplied in pairs), the base function with
# its weights, and the edges that are atoms.
LAYERS = [
{layers}]

# Every field is its mean plus its deviation times the network.
MEANS, DEVIATIONS = numpy.array({means}), numpy.array({deviations})
'''


def write(path: Path, solution: Exportable) -> None:
    """Write a file whose function `evaluate` has the solution's values, to round-off.

    Raises ConfigurationError where values of hard conditions are part of the solution, which no numbers replace.
    """
    problem, model = solution.problem, solution.model
    means, deviations = plain_scaling(model, len(problem.fields), ".py")
    names = problem.domain.names
    for name in names:
        if keyword.iskeyword(name) or name == "numpy":
            raise ConfigurationError(f"expected coordinates that can be arguments in Python, got {name!r}; rename it")
    layers = "".join(_layer(layer) for layer in plain_layers(model.network))
    single = len(problem.fields) == 1
    fields = ", ".join(problem.fields)
    text = _TEMPLATE.format(
        title=f"The solution of {plain_name(problem.name)}: {fields} of {', '.join(names)}.",
        arguments=", ".join(names),
        columns=", ".join(names),
        returned=fields if single else f"a dict of {fields}",
        version=__version__,
        domain=problem.domain,
        imports="import scipy.special\n" if "scipy.special." in layers else "",
        result="fields[0]" if single else f"dict(zip({problem.fields!r}, fields))",
        layers=layers,
        means=means,
        deviations=deviations,
    )
    write_text(path, text)


def _layer(layer: PlainLayer) -> str:
    base = "None"
    if layer.base is not None:
        rows = ", ".join(map(_array, (layer.centre, layer.half_width, layer.weights)))
        base = f"(lambda x: {_BASES[layer.base]}, {rows})"
    atoms = "".join(
        f"({one.source}, {one.target}, lambda x: {_function(one.name)}, {', '.join(map(repr, one.constants))}), "
        for one in layer.atoms
    )
    periodic = repr(list(layer.periodic))
    arrays = (_array(values) for values in (layer.knots, layer.coefficients, layer.slopes))
    parts = (layer.degree, *arrays, periodic, layer.sums, base, f"[{atoms}]")
    return "    (\n" + "".join(f"        {part},\n" for part in parts) + "    ),\n"


def _array(values: Any) -> str:
    return f"numpy.array({np.asarray(values).tolist()!r})"


def _function(name: str) -> str:
    """Return the code of an atom in x."""
    x = sp.Symbol("x", real=True)
    expression = atom(name).sympy(x).rewrite(sp.sech, sp.cosh)
    code = SciPyPrinter({"fully_qualified_modules": True}).doprint(expression)
    if "Not supported" in code:
        raise ConfigurationError(f"expected edges that NumPy or SciPy can compute, got the atom {name}")
    return str(code)
