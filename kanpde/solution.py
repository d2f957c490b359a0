"""What a user holds at the end: a solution that answers at any point, compares, plots and saves itself."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde import files
from kanpde.arrays import MultiIndex
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.comparison import Comparison
from kanpde.collocation.sampling import sample
from kanpde.device import one_thread, torch_device
from kanpde.errors import ConfigurationError, KanpdeError, ProblemError, nearest
from kanpde.network.kan import KAN
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.problem import registry
from kanpde.problem.field import parse_partial
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem
from kanpde.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kanpde.symbolic.formula import Formula

Array = npt.NDArray[Any]
PIECE = 8192  # points evaluated together
CHECKED = 4096  # points on which the residual's and the conditions' root mean squares are taken


class Solution:
    """u(x): called with coordinates by name, ``solution(x=xs, t=ts)``.

    NumPy arrays and numbers give NumPy arrays, torch tensors give torch tensors; shapes broadcast. A system gives a
    dict by field.
    """

    def __init__(
        self, problem: Problem, model: Model, history: Mapping[str, list[Any]], record: Mapping[str, Any]
    ) -> None:
        """`record` holds what a run knows of itself: seed, iterations, seconds, stopped_because, estimate."""
        self.problem, self.model = problem, model
        self.history = {name: list(column) for name, column in history.items()}
        self.record = dict(record)
        self.formula: Formula | None = None

    @property
    def network(self) -> KAN:
        return self.model.network

    @property
    def stopped_because(self) -> str:
        """Why training ended, in words."""
        return str(self.record["stopped_because"])

    @property
    def estimate(self) -> float:
        """The relative error that training believes in, infinite where it believes in none; `exact` has no say."""
        found = self.record.get("estimate")
        return math.inf if found is None else float(found)

    @property
    def unknowns(self) -> dict[str, float]:
        """The constants that an inverse problem asked for."""
        return {name: float(value.detach()) for name, value in self.model.unknowns.items()}

    def __call__(self, **coordinates: Any) -> Any:
        """The fields at points given by coordinate: an array of the broadcast shape, or a dict of them for a system."""
        return self._shaped(lambda points: self._jets(points, ()), coordinates, self.problem.fields)

    def derivative(self, partial: str, field: str | None = None, **coordinates: Any) -> Any:
        """A partial derivative such as "xx" or "xt", as `__call__` gives values; of one `field` where that is named.

        Raises ProblemError for a partial that cannot be read.
        """
        alpha = parse_partial(partial, self.problem.domain.names)
        if not alpha:
            names = ", ".join(self.problem.domain.names)
            raise ProblemError(
                f"expected a partial of the coordinates {names}, such as {names[0] * 2!r}, got {partial!r}"
            )
        if field is not None and field not in self.problem.fields:
            raise ProblemError(f"unknown field {field!r}; {nearest(field, self.problem.fields)}")
        result = self._shaped(lambda points: self._jets(points, alpha), coordinates, self.problem.fields)
        return result[field] if field is not None and isinstance(result, dict) else result

    def residual(self, **coordinates: Any) -> Any:
        """The equation's residual at points given by coordinate; a dict by component for a system of equations."""
        residuals = self._residuals()
        part = residuals.parts[0]

        def evaluate(points: Tensor) -> Tensor:
            return residuals.values(residuals.chunks(part, points, None)).T

        return self._shaped(evaluate, coordinates, part.block.components)

    def errors(self) -> dict[str, float | None]:
        """relative_l2, max_error and relative_h1 against the exact solution or the reference; None where neither is."""
        return Comparison(self.problem).errors(self.evaluate)

    def relative_l2(self, comparison: Comparison) -> float | None:
        """The relative L2 error on the grid of a comparison made before."""
        return comparison.relative_l2(self.evaluate)

    def evaluate(self, points: npt.NDArray[np.float64], partial: MultiIndex = ()) -> npt.NDArray[np.float64]:
        """One partial of all fields at points (n, d), as (n, fields)."""
        return np.asarray(self._in_pieces(lambda p: self._jets(p, partial), self._tensor(points)).cpu().double())

    def plot(self) -> Figure:
        """The solution as a figure, beside the known one and the error where there is one."""
        from kanpde.plots import solution_figure

        return solution_figure(self)

    @one_thread()
    def symbolify(self, **options: Any) -> Formula:
        """Look for the formula behind the solution and prove it; what is found is kept as `formula` too.

        The options are those of `kanpde.symbolic.symbolification.symbolify`: budget_seconds, seed, functions, progress.
        """
        from kanpde.symbolic.symbolification import symbolify

        self.formula = symbolify(self, **options)
        return self.formula

    def edge_curves(self) -> list[dict[str, Any]]:
        """What every edge has learned; see `KAN.edge_curves`."""
        return self.network.edge_curves()

    def metrics(self) -> dict[str, Any]:
        """The numbers of a run, as they stand in metrics.json."""
        rms, formula = self.rms(), self.formula
        symbolic = None if formula is None else formula.seconds
        parameter = self.network.first.coefficients
        return {
            "problem": self.problem.name,
            **self.errors(),
            "residual_rms": rms.pop("residual"),
            "conditions_rms": rms,
            "seconds": {
                "training": self.record["seconds"],
                "symbolic": symbolic,
                "total": self.record["seconds"] + (symbolic or 0.0),
            },
            "iterations": self.record["iterations"],
            "stopped_because": self.stopped_because,
            "parameters": self.model.active,
            "device": str(parameter.device),
            "dtype": str(parameter.dtype).removeprefix("torch."),
            "seed": self.record["seed"],
            "width": self.network.architecture()["width"],
            "unknowns": self.unknowns,
            "formula": None if formula is None else formula.summary(),
            "versions": {"kanpde": __version__, "torch": torch.__version__, "python": platform.python_version()},
        }

    def rms(self) -> dict[str, float]:
        """The root mean square of the residual and of every condition, hard ones too, on points of their own."""
        residuals = self._residuals(hard=True)
        generator = np.random.default_rng(2**32 + 1)
        for number, part in enumerate(residuals.parts):
            drawn = sample(part.block, self.problem.domain, CHECKED, "sobol", generator)
            residuals.place(
                number, self._tensor(drawn.points), None if drawn.index is None else self._index(drawn.index)
            )
        return residuals.rms()

    def save(self, path: str | Path) -> None:
        """Write everything into one file, numbers and JSON with nothing to execute, that `load` reads on any device."""
        metadata = {
            "problem": described(self.problem),
            "architecture": self.network.architecture(),
            "history": self.history,
            "record": self.record,
            "formula": None if self.formula is None else self.formula.to_json(),
        }
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        files.write(path, {**tensors, "unknowns": self.model.constants}, metadata)

    @classmethod
    def load(cls, path: str | Path, problem: Problem | None = None, device: str = "cpu") -> Solution:
        """Read what `save` wrote. The problem is found by its name; give `problem` where it was defined in a script.

        Raises KanpdeError for a file of another kind or with other names in it than the problem's, and ProblemError for
        a problem that cannot be found.
        """
        tensors, metadata = files.read(path, torch_device(device))
        if "architecture" not in metadata or "unknowns" not in tensors:
            raise KanpdeError(f"expected a solution at {path}, got another file of kanpde's")
        if problem is None:
            problem = registry.load_problem(metadata["problem"]["name"], **metadata["problem"]["parameters"])
        names = described(problem)
        check_saved(path, metadata["problem"], {key: names[key] for key in ("coordinates", "fields", "unknowns")})
        state = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
        model = Model(KAN.from_architecture(metadata["architecture"], state), Ansatz.of(problem), problem.unknowns)
        model.to(tensors["unknowns"].device)
        model.constants.data.copy_(tensors["unknowns"])
        solution = cls(problem, model, metadata["history"], metadata["record"])
        solution.formula = _formula(metadata.get("formula"))
        return solution

    def _residuals(self, *, hard: bool = False) -> Residuals:
        return Residuals(self.model, self.problem.blocks(hard=hard), self.problem.domain.names)

    def _jets(self, points: Tensor, partial: MultiIndex) -> Tensor:
        plan = JetPlan(points.shape[1], [partial])
        return self.model.jets(self.model.prepare(points, plan))[:, plan.index[partial]]

    def _shaped(self, evaluate: Any, coordinates: Mapping[str, Any], names: tuple[str, ...]) -> Any:
        """Coordinates to points, and (n, names) values back to the coordinates' shape and kind."""
        expected = self.problem.domain.names
        if set(coordinates) != set(expected):
            given = ", ".join(coordinates) or "none"
            raise ProblemError(
                f"expected the coordinates {', '.join(expected)} by name, got {given}; give each of them once"
            )
        as_torch = any(isinstance(value, Tensor) for value in coordinates.values())
        tensors = [self._tensor(coordinates[name]) for name in expected]
        try:
            columns = torch.broadcast_tensors(*tensors)  # type: ignore[no-untyped-call]
        except RuntimeError:
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in zip(expected, tensors, strict=True))
            raise ProblemError(f"expected shapes that broadcast, got {shapes}; a grid is x[:, None] and t") from None
        points = torch.stack([column.reshape(-1) for column in columns], dim=1)
        values = self._in_pieces(evaluate, points)
        shaped = [column.reshape(columns[0].shape) for column in values.T]
        arrays = shaped if as_torch else [np.asarray(column.cpu()) for column in shaped]
        return arrays[0] if len(names) == 1 else dict(zip(names, arrays, strict=True))

    def _in_pieces(self, evaluate: Any, points: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([evaluate(self._tensor(piece)).detach() for piece in torch.split(points, PIECE)])

    def _tensor(self, values: Any) -> Tensor:
        like = self.network.first.coefficients
        if isinstance(values, Tensor):
            return values.to(like)
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise ProblemError(f"expected real numbers as coordinates, got {values!r}")
        # A copy: torch takes no array that is read-only, runs backwards or has the other order of bytes.
        return torch.from_numpy(array.astype(np.float64, order="C")).to(like)

    def _index(self, values: npt.NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(values, device=self.network.first.coefficients.device)


def _formula(saved: Mapping[str, Any] | None) -> Formula | None:
    """The formula that a file holds, if any."""
    if saved is None:
        return None
    from kanpde.symbolic.formula import Formula

    return Formula.from_json(saved)


def described(problem: Problem) -> dict[str, Any]:
    """What a file says of its problem, as it is read again."""
    names = {"coordinates": problem.domain.names, "fields": problem.fields, "unknowns": tuple(problem.unknowns)}
    description = {"name": problem.name, "parameters": plain(problem.parameters()), **names}
    return dict(json.loads(json.dumps(description)))


def check_saved(path: str | Path, got: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise ConfigurationError where the file at `path` says other things of its problem than expected."""
    for key, value in expected.items():
        if got.get(key) != value:
            raise ConfigurationError(
                f"expected the {key} {value} at {path}, got {got.get(key)}; give the problem that was saved there"
            )


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that JSON can hold, NumPy's numbers as Python's."""
    numbers = {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items()}
    return {
        name: value
        for name, value in numbers.items()
        if isinstance(value, (bool, int, float, str, list, tuple, type(None)))
    }
