"""A solution as a file of C99 with one function, ``void evaluate(const double *point, double *fields)``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.functions import atom
from kanpde.errors import ConfigurationError
from kanpde.export.exportable import Exportable
from kanpde.export.plain import PlainLayer, plain_layers, plain_name, plain_scaling
from kanpde.files import __version__, write_text

_BASES = {"silu": "z / (1.0 + exp(-z))", "tanh": "tanh(z)", "identity": "z"}

_TEMPLATE = """\
/* The solution of %(problem)s on %(domain)s.

   evaluate(point, fields) computes the fields %(fields)s from the coordinates %(coordinates)s, in these orders. Written
   by kanpde %(version)s: a Kolmogorov-Arnold network, whose edges are splines evaluated by de Boor's algorithm. */

#include <math.h>

/* Add the splines of all edges from `inputs` nodes x to `outputs` subnodes s. The knots of each input are `functions` +
   `degree` + 1 numbers, its coefficients `functions` times `outputs`, its slopes beyond both ends 2 times `outputs`. */
static void add_splines(int inputs, int degree, int functions, int outputs, const double *knots,
                        const double *coefficients, const double *slopes, const int *periodic, const double *x,
                        double *s)
{
    double values[%(size)d];
    for (int i = 0; i < inputs; i++) {
        const double *t = knots + i * (functions + degree + 1);
        const double *c = coefficients + i * functions * outputs;
        double low = t[degree], width = t[functions] - low;
        double z = periodic[i] ? x[i] - floor((x[i] - low) / width) * width : x[i];
        double below = fmin(z - low, 0.0), above = fmax(z - low - width, 0.0);
        z = fmin(fmax(z, low), low + width);
        int first = 0;
        while (first < functions - degree - 1 && z >= t[degree + 1 + first])
            first++;
        for (int o = 0; o < outputs; o++) {
            for (int j = 0; j <= degree; j++)
                values[j] = c[(first + j) * outputs + o];
            for (int level = 1; level <= degree; level++)
                for (int j = degree; j >= level; j--) {
                    double left = t[first + j], ratio = (z - left) / (t[first + j + degree + 1 - level] - left);
                    values[j] = (1.0 - ratio) * values[j - 1] + ratio * values[j];
                }
            s[o] += values[degree] + below * slopes[2 * i * outputs + o] + above * slopes[(2 * i + 1) * outputs + o];
        }
    }
}

%(tables)s
void evaluate(const double *point, double *fields)
{
    static const double means[] = {%(means)s}, deviations[] = {%(deviations)s};
    const double *x0 = point;
%(steps)s    for (int j = 0; j < %(count)d; j++)
        fields[j] = means[j] + deviations[j] * x%(last)d[j];
}
"""


def write(path: Path, solution: Exportable) -> None:
    """Write the file; raise ConfigurationError where hard conditions or an atom are no code in C."""
    problem, model = solution.problem, solution.model
    means, deviations = plain_scaling(model, len(problem.fields), ".c")
    layers = plain_layers(model.network)
    text = _TEMPLATE % {
        "means": ", ".join(map(repr, means)),
        "deviations": ", ".join(map(repr, deviations)),
        "problem": plain_name(problem.name),
        "domain": problem.domain,
        "fields": ", ".join(problem.fields),
        "coordinates": ", ".join(problem.domain.names),
        "version": __version__,
        "size": max(layer.degree for layer in layers) + 1,
        "tables": "".join(_tables(k, layer) for k, layer in enumerate(layers)),
        "steps": "".join(_step(k, layer) for k, layer in enumerate(layers)),
        "count": len(problem.fields),
        "last": len(layers),
    }
    write_text(path, text)


def _tables(k: int, layer: PlainLayer) -> str:
    periodic = ", ".join(str(int(flag)) for flag in layer.periodic)
    lines = [_array(f"knots{k}", layer.knots), _array(f"coefficients{k}", layer.coefficients)]
    lines.append(_array(f"slopes{k}", layer.slopes))
    lines.append(f"static const int periodic{k}[] = {{{periodic}}};\n")
    if layer.weights is not None:
        named = (("centre", layer.centre), ("half_width", layer.half_width), ("weights", layer.weights))
        lines += [_array(f"{name}{k}", values) for name, values in named]
    return "".join(lines)


def _step(k: int, layer: PlainLayer) -> str:
    """Return the statements that compute the nodes x{k+1} from the nodes x{k}."""
    inputs, functions, outputs = layer.coefficients.shape
    nodes = layer.sums + (outputs - layer.sums) // 2
    tables = f"knots{k}, coefficients{k}, slopes{k}, periodic{k}"
    lines = [
        f"double s{k}[{outputs}] = {{0.0}}, x{k + 1}[{nodes}];",
        f"add_splines({inputs}, {layer.degree}, {functions}, {outputs}, {tables}, x{k}, s{k});",
    ]
    if layer.base is not None:
        lines += [
            f"for (int i = 0; i < {inputs}; i++) {{",
            f"    double z = (x{k}[i] - centre{k}[i]) / half_width{k}[i], b = {_BASES[layer.base]};",
            f"    for (int o = 0; o < {outputs}; o++)",
            f"        s{k}[o] += b * weights{k}[i * {outputs} + o];",
            "}",
        ]
    for one in layer.atoms:
        a, b, c, d = map(repr, one.constants)
        inner = f"double z = {a} * x{k}[{one.source}] + {b};"
        lines.append(f"{{ {inner} s{k}[{one.target}] += {c} * ({_function(one.name)}) + {d}; }}")
    lines += [
        f"for (int j = 0; j < {nodes}; j++)",
        f"    x{k + 1}[j] = j < {layer.sums} ? s{k}[j] : s{k}[2 * j - {layer.sums}] * s{k}[2 * j - {layer.sums} + 1];",
    ]
    return "".join(f"    {line}\n" for line in lines)


def _array(name: str, values: Any) -> str:
    numbers = ", ".join(map(repr, np.asarray(values).ravel().tolist()))
    return f"static const double {name}[] = {{{numbers}}};\n"


def _function(name: str) -> str:
    """Return the code of an atom in z."""
    expression = atom(name).sympy(sp.Symbol("z", real=True)).rewrite(sp.sech, sp.cosh)
    code = str(sp.ccode(expression))
    if "Not supported" in code:
        raise ConfigurationError(f"expected edges that C's math.h can compute, got the atom {name}")
    return code
