"""What is read off a solution in the end: a formula, how far it can be trusted, and why."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.expressions import numpy_function, symbols
from kanpde.errors import KanpdeError, ProblemError
from kanpde.symbolic.json_trees import from_tree, to_tree

if TYPE_CHECKING:
    from kanpde.symbolic.proof.certification import Certificate


# What letters physics has for parameters with long names.
LETTERS = {
    "diffusivity": "D", "viscosity": r"\nu", "speed": "c", "velocity": "v", "rate": "r", "wavenumber": "k", "mass": "m",
    "frequency": r"\omega", "amplitude": "A", "wavelength": r"\lambda", "density": r"\rho", "reynolds": r"\mathrm{Re}",
    "conductivity": r"\kappa", "advection": "a", "reaction": "r", "damping": r"\gamma", "stiffness": "k",
    "decay": r"\lambda",
}  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """A formula for each field, in the real symbols of the coordinates.

    `expressions` have the problem's parameters as numbers, `general` as the symbols named in `parameters`. `status` is
    "proved", "numeric" or "none"; the last is an approximation. `relative_l2` is the error against the exact solution
    or the reference (None without either), `distance` the relative L2 distance from the network, `residual` the
    relative residual of equation and conditions, `bound` what the maximum principle says |u - formula| is at most (None
    where it says nothing). `steps` are the lines of the proof, `reason` what stands against one,
    `undetermined` what the conditions leave open, `unknowns` the constants that an inverse problem asked for.
    """

    coordinates: tuple[str, ...]
    expressions: dict[str, Any]
    general: dict[str, Any]
    parameters: dict[str, Any]
    status: str
    relative_l2: float | None = None
    distance: float | None = None
    residual: float | None = None
    bound: float | None = None
    steps: tuple[str, ...] = ()
    reason: str = ""
    undetermined: tuple[str, ...] = ()
    unknowns: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(
        cls, certificate: Certificate, coordinates: tuple[str, ...], unknowns: Iterable[str], **more: Any
    ) -> Formula:
        """The formula of a certificate."""
        return cls(
            coordinates,
            dict(certificate.expressions),
            dict(certificate.general or certificate.expressions),
            dict(certificate.parameters),
            certificate.status,
            residual=certificate.residual,
            steps=tuple(map(str, certificate.steps)),
            reason=certificate.reason,
            undetermined=certificate.undetermined,
            unknowns={name: certificate.constants[name] for name in unknowns if name in certificate.constants},
            **more,
        )

    @property
    def expression(self) -> Any:
        """The expression of the only field, the dict of them for a system; None where there is none at all."""
        found = list(self.expressions.values())
        return None if not found else found[0] if len(found) == 1 else self.expressions

    @property
    def proved(self) -> bool:
        """Whether SymPy showed that the residual and every condition vanish exactly."""
        return self.status == "proved"

    def evaluate(self, points: Array, partial: MultiIndex = ()) -> Array:
        """One partial of all fields at points (n, d), as (n, fields)."""
        with np.errstate(all="ignore"):
            values = [function(*points.T) for function in self._functions(partial)]
        return np.stack([np.broadcast_to(value, len(points)) for value in values], axis=-1)

    def _functions(self, partial: MultiIndex) -> list[Callable[..., Array]]:
        axes = symbols(self.coordinates)
        derivatives = [
            functools.reduce(sp.diff, (axes[axis] for axis in partial), expression)
            for expression in self.expressions.values()
        ]
        return [numpy_function(derivative, self.coordinates) for derivative in derivatives]

    def __call__(self, **coordinates: Any) -> Any:
        """The fields at points given by coordinate; shapes broadcast, a system gives a dict by field."""
        if set(coordinates) != set(self.coordinates):
            raise ProblemError(f"expected the coordinates {', '.join(self.coordinates)}, got {', '.join(coordinates)}")
        columns = np.broadcast_arrays(*(np.asarray(coordinates[name], dtype=np.float64) for name in self.coordinates))
        values = self.evaluate(np.stack([column.ravel() for column in columns], axis=-1))
        shaped = [column.reshape(columns[0].shape) for column in values.T]
        return shaped[0] if len(shaped) == 1 else dict(zip(self.expressions, shaped, strict=True))

    def latex(self) -> str:
        """One equation for each field, the parameters' values after them."""
        lines = self.latex_lines()
        if len(self.expressions) < 2:
            return r", \quad ".join(lines)
        return r"\begin{aligned}" + r" \\ ".join(line.replace(" = ", " &= ", 1) for line in lines) + r"\end{aligned}"

    def latex_lines(self) -> list[str]:
        """The equations u = …, then D = 0.3 for every parameter in them."""
        names = {symbol: LETTERS.get(symbol.name, sp.latex(symbol)) for symbol in self._parameters()}
        taken = [*map(sp.latex, symbols(self.coordinates)), *self.general]
        for symbol, letter in names.items():
            if [*taken, *names.values()].count(letter) > 1:
                names[symbol] = rf"\mathrm{{{symbol.name}}}".replace("_", r"\_")
        fields = [f"{sp.latex(sp.Symbol(n))} = {sp.latex(e, symbol_names=names)}" for n, e in self.general.items()]
        return [*fields, *(f"{letter} = {decimal(self.parameters[s.name])}" for s, letter in names.items())]

    def _parameters(self) -> list[Any]:
        """The symbols of the parameters that occur."""
        found = {symbol for expression in self.general.values() for symbol in expression.free_symbols}
        return sorted((s for s in found if s.name in self.parameters), key=str)

    def text(self) -> str:
        """u = … in one line, with the values of the parameters in it."""
        words = "; ".join(f"{name} = {shortened(expression)}" for name, expression in self.general.items())
        values = ", ".join(f"{s.name} = {decimal(self.parameters[s.name], str)}" for s in self._parameters())
        return words + (f" with {values}" if values else "")

    def __str__(self) -> str:
        if self.status == "none":
            return (
                f"no closed form found; {self.text()} is an approximation" if self.general else "no closed form found"
            )
        return f"{self.text()} ({self.status})"

    def summary(self) -> dict[str, Any]:
        """What metrics.json says of it."""
        shown = {name: str(expression) for name, expression in self.expressions.items()}
        return {
            "expression": next(iter(shown.values()), None) if len(shown) < 2 else shown,
            "status": self.status,
            "proved": self.proved,
            "relative_l2": self.relative_l2,
            "bound": self.bound,
            "text": self.text(),
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, in objects that JSON has; KanpdeError for functions that are not SymPy's."""
        return {
            **self.summary(),
            "latex": self.latex(),
            "coordinates": list(self.coordinates),
            "distance": self.distance,
            "residual": self.residual,
            "steps": list(self.steps),
            "reason": self.reason,
            "undetermined": list(self.undetermined),
            "seconds": self.seconds,
            **{key: {n: to_tree(e) for n, e in getattr(self, key).items()} for key in _TREES},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Formula:
        """The formula that `to_json` described; KanpdeError for anything else."""
        try:
            trees: dict[str, Any] = {key: {str(n): from_tree(tree) for n, tree in data[key].items()} for key in _TREES}
            plain: dict[str, Any] = {key: data[key] for key in _PLAIN}
            lists: dict[str, Any] = {key: tuple(data[key]) for key in ("coordinates", "steps", "undetermined")}
        except (KeyError, AttributeError, TypeError) as error:
            raise KanpdeError(f"expected a formula as kanpde writes it, got one without {error}") from None
        return cls(**lists, **plain, **trees)


_PLAIN = ("status", "relative_l2", "distance", "residual", "bound", "reason", "seconds")
_TREES = ("expressions", "general", "parameters", "unknowns")


def decimal(value: Any, otherwise: Callable[[Any], str] = sp.latex) -> str:
    """An exact number as it is written: 0.3 for 3/10, else the number itself."""
    short = f"{float(value):.6g}"
    return short if sp.Rational(short) == value else otherwise(value)


def shortened(expression: Any, digits: int = 6) -> str:
    """An expression as text, floating-point numbers rounded."""
    return str(expression.xreplace({f: sp.Float(f, digits) for f in expression.atoms(sp.Float)}))
