"""Register a user's own functions; their SymPy form gives the derivatives and the interval of smoothness."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.derivatives import Derivatives
from kanpde.calculus.expressions import numpy_function, torch_functions
from kanpde.calculus.functions import ATOMS, HEADS, Atom, smoothness_demands
from kanpde.errors import ConfigurationError, KanpdeError

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

VARIABLE = sp.Symbol("z", real=True)
COMPLEXITY = 6  # the complexity of a user's function; a simpler atom with a similar error is preferred
# The arguments at which a function is evaluated; they miss the integers, where most poles and kinks are.
LOOKED_AT = np.linspace(-30.0, 30.0, 4000)
HALVINGS = 60  # halvings of a step between arguments that locate an interval's end to round-off


def register_atom(name: str, function: Callable[[Any], Any]) -> None:
    """Add a function of your own: ``register_atom("lorentz", lambda z: 1 / (1 + z**2))``, SymPy in, SymPy out.

    The search tries it as a0 + a1 f(b s + c), `suggest` and `read` try it on edges, `fix` accepts its name, and
    `formula_to_kan` makes edges of it. The registration lasts as long as the process; a process that loads a file of a
    network with this atom must register it first.

    Raises ConfigurationError if the name is taken or no identifier, or if the function does not return a SymPy
    expression of its argument, has no numerical counterpart, or is nowhere smooth and finite.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigurationError(f"expected a word as the name of an atom, got {name!r}; choose one such as 'airy'")
    if name in taken():
        raise ConfigurationError(f"expected a new name for an atom, got {name!r}, which is taken; choose another")
    if not callable(function):
        raise ConfigurationError(f"expected a function of a SymPy expression as the atom {name!r}, got {function!r}")
    expression = written(name, function)
    try:
        inside = interval(expression)
    except KanpdeError as error:
        raise ConfigurationError(f"expected a function with numbers as the atom {name!r}: {error}") from None
    if inside is None:
        raise ConfigurationError(f"expected a function that is somewhere finite as the atom {name!r}, got {expression}")
    ATOMS[name] = Atom(
        name=name,
        sympy=function,
        derivatives=compiled(expression),
        complexity=COMPLEXITY,
        domain=inside,
        mirrored=True,
    )


def taken() -> tuple[str, ...]:
    """Return the names of atoms and of families of the search's library."""
    families = (row.family for row in (*ATOMS.values(), *HEADS.values()) if row.family)
    return tuple(dict.fromkeys((*ATOMS, *families)))


def written(name: str, function: Callable[[Any], Any]) -> sp.Expr:
    """Return the function of VARIABLE; raise ConfigurationError if it is no expression of VARIABLE."""
    try:
        expression = function(VARIABLE)
    except Exception as error:  # a user's function may raise any error
        got = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"expected SymPy in and SymPy out of the atom {name!r}, got {got}") from None
    if not isinstance(expression, sp.Expr) or expression.free_symbols != {VARIABLE}:
        raise ConfigurationError(
            f"expected SymPy in and SymPy out of the atom {name!r}, got {expression!r} from {VARIABLE}"
        )
    return expression


def compiled(expression: sp.Expr) -> Derivatives:
    """Return the derivatives of an expression of VARIABLE, compiled once for each number of orders."""

    @functools.cache
    def functions(orders: int) -> Callable[..., Sequence[Tensor]]:
        return torch_functions([sp.diff(expression, VARIABLE, m) for m in range(orders)], [VARIABLE.name])

    return lambda x, orders: list(functions(orders)(x))


def interval(expression: sp.Expr) -> tuple[float, float] | None:
    """Return the longest open interval in which an expression is finite and smooth at points, None if there is none.

    An end beyond all points is infinite; the right one of two equally long intervals is returned.
    """
    smooth = smooth_along(expression)
    starts, ends = runs(smooth(LOOKED_AT[:-1], LOOKED_AT[1:]))
    if not len(starts):
        return None
    longest = int(np.flatnonzero(ends - starts == (ends - starts).max())[-1])
    first, last = int(starts[longest]), int(ends[longest])
    low = -math.inf if first == 0 else end(smooth, LOOKED_AT[first], LOOKED_AT[first - 1])
    high = math.inf if last == len(LOOKED_AT) - 1 else end(smooth, LOOKED_AT[last], LOOKED_AT[last + 1])
    return low, high


def smooth_along(expression: sp.Expr) -> Callable[[Array, Array], Flags]:
    """Return a function that decides, by values and demands at both ends, if an expression is smooth between them."""
    value = numpy_function(expression, [VARIABLE.name])
    demands = [
        (numpy_function(of, [VARIABLE.name]), signs) for of, signs, _ in smoothness_demands(expression) if of != 0
    ]

    def smooth(a: Array, b: Array) -> Flags:
        with np.errstate(all="ignore"):
            good: Flags = np.isfinite(value(a)) & np.isfinite(value(b))
            for of, signs in demands:
                p, q = of(a), of(b)
                above, below = (p > 0) & (q > 0), (p < 0) & (q < 0)
                good &= (above & ("positive" in signs)) | (below & ("negative" in signs))
        return good

    return smooth


def runs(good: Flags) -> tuple[Places, Places]:
    """Return the starts of runs of true entries, and the first entries after the runs."""
    changes = np.diff(np.concatenate([[False], good, [False]]).astype(int))
    return np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)


def end(smooth: Callable[[Array, Array], Flags], inside: float, outside: float) -> float:
    """Return the end of an interval between an argument inside and one outside, by halving."""
    start = np.array(inside)
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if smooth(start, np.array(middle)) else (inside, middle)
    return 0.0 if abs(outside) < 1e-12 else float(outside)
