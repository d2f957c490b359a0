"""The formula of a solution with its status, errors and proof."""

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


# LaTeX letters of parameters with long names, by the conventions of physics.
LETTERS = {
    "diffusivity": "D", "viscosity": r"\nu", "speed": "c", "velocity": "v", "rate": "r", "wavenumber": "k", "mass": "m",
    "frequency": r"\omega", "amplitude": "A", "wavelength": r"\lambda", "density": r"\rho", "reynolds": r"\mathrm{Re}",
    "conductivity": r"\kappa", "advection": "a", "reaction": "r", "damping": r"\gamma", "stiffness": "k",
    "decay": r"\lambda",
}  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """A formula for each field, in the real symbols of the coordinates.

    `expressions` contain the parameters of the problem as numbers, `general` as the symbols named in `parameters`.
    `status` is "proved", "numeric" or "none" (an approximation). `relative_l2` is the error against the exact solution
    or the reference (None without either), `distance` the relative L2 distance from the network, `residual` the
    relative residual of the equation and conditions, and `bound` an upper bound of |u - formula| by the maximum
    principle (None without one). `steps` are the lines of the proof, `reason` the obstacle to a proof,
    `undetermined` the constants that the conditions do not fix, and `unknowns` the constants of an inverse problem.
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
        """Return the formula of a certificate."""
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
        """The expression of the only field, or the dict of expressions of a system; None if the formula is empty."""
        found = list(self.expressions.values())
        return None if not found else found[0] if len(found) == 1 else self.expressions

    @property
    def proved(self) -> bool:
        """True if SymPy proved that the residual and every condition vanish exactly."""
        return self.status == "proved"

    def evaluate(self, points: Array, partial: MultiIndex = ()) -> Array:
        """Return one partial derivative of all fields at points (n, d): (n, fields)."""
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
        """Evaluate the fields on broadcast arrays of coordinates; return a dict by field for a system.

        Raise ProblemError if the names of the coordinates are wrong.
        """
        if set(coordinates) != set(self.coordinates):
            raise ProblemError(f"expected the coordinates {', '.join(self.coordinates)}, got {', '.join(coordinates)}")
        columns = np.broadcast_arrays(*(np.asarray(coordinates[name], dtype=np.float64) for name in self.coordinates))
        values = self.evaluate(np.stack([column.ravel() for column in columns], axis=-1))
        shaped = [column.reshape(columns[0].shape) for column in values.T]
        return shaped[0] if len(shaped) == 1 else dict(zip(self.expressions, shaped, strict=True))

    def latex(self) -> str:
        """Return LaTeX with one equation per field, followed by the values of the parameters."""
        lines = self.latex_lines()
        if len(self.expressions) < 2:
            return r", \quad ".join(lines)
        return r"\begin{aligned}" + r" \\ ".join(line.replace(" = ", " &= ", 1) for line in lines) + r"\end{aligned}"

    def latex_lines(self) -> list[str]:
        """Return the equations u = …, followed by D = 0.3 and so on for every parameter in them."""
        names = {symbol: LETTERS.get(symbol.name, sp.latex(symbol)) for symbol in self._parameters()}
        taken = [*map(sp.latex, symbols(self.coordinates)), *self.general]
        for symbol, letter in names.items():
            if [*taken, *names.values()].count(letter) > 1:
                names[symbol] = rf"\mathrm{{{symbol.name}}}".replace("_", r"\_")
        fields = [f"{sp.latex(sp.Symbol(n))} = {sp.latex(e, symbol_names=names)}" for n, e in self.general.items()]
        return [*fields, *(f"{letter} = {decimal(self.parameters[s.name])}" for s, letter in names.items())]

    def _parameters(self) -> list[Any]:
        """Return the symbols of the parameters in the expressions, sorted by name."""
        found = {symbol for expression in self.general.values() for symbol in expression.free_symbols}
        return sorted((s for s in found if s.name in self.parameters), key=str)

    def text(self) -> str:
        """Return u = … in one line, followed by the values of the parameters in it."""
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
        """Return the entries of the formula in metrics.json."""
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
        """Return all fields as JSON objects. Raise KanpdeError if a function is not one of SymPy."""
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
        """Return the formula from the result of `to_json`. Raise KanpdeError if the data are malformed."""
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
    """Return an exact number as a short decimal if it has one (0.3 for 3/10), else in the form of `otherwise`."""
    short = f"{float(value):.6g}"
    return short if sp.Rational(short) == value else otherwise(value)


def shortened(expression: Any, digits: int = 6) -> str:
    """Return an expression as text with rounded floating-point numbers."""
    return str(expression.xreplace({f: sp.Float(f, digits) for f in expression.atoms(sp.Float)}))
