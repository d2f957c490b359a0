"""The solution of a problem: evaluate, compare, plot and save it."""

from __future__ import annotations

import json
import math
import platform
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde import files
from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.devices import one_thread, torch_device
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.comparison import Comparison, scores
from kanpde.errors import ConfigurationError, KanpdeError, OutsideDomainWarning, ProblemError, nearest
from kanpde.files import __version__
from kanpde.marching.audit.audit import Audit
from kanpde.marching.audit.judge import audit
from kanpde.network.kan import KAN
from kanpde.network.parted import PartedNetwork
from kanpde.network.residuals import Residuals
from kanpde.network.slabbed import SlabbedNetwork
from kanpde.network.trial_function import Model, saved_on
from kanpde.problem import registry, text_json
from kanpde.problem.field import parse_partial
from kanpde.problem.found_function import Deviation, FoundFunction
from kanpde.problem.from_text import TextProblem
from kanpde.problem.lift import Ansatz, SingularPart
from kanpde.problem.problem import Problem
from kanpde.problem.regression import DataBox, Regression
from kanpde.problem.unknown_function import Function

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kanpde.symbolic.formula import Formula

Array = npt.NDArray[Any]
CHUNK = 8192  # points evaluated at once
SAMPLES = tuple(f"samples.{name}" for name in ("points", "values", "held_out_points", "held_out_values", "box"))
OUTSIDE = 1e-6  # distance beyond the domain, relative to its side, that is not round-off of a coordinate
CHECK_POINTS = 4096  # of the root mean squares of the residual and of each condition


class Solution:
    """u(x), evaluated at coordinates by name: ``solution(x=xs, t=ts)``.

    NumPy arrays and numbers give NumPy arrays, torch tensors give torch tensors; shapes broadcast. A system gives a
    dict by field. Tensors that require gradients give values that autograd differentiates by the coordinates.

    `problem` is the problem, `model` the trained function, `history` the columns of the training's history by name,
    `formula` the formula that `symbolify` found, None before, and `audited` the audit made after training, None before.
    """

    def __init__(
        self, problem: Problem, model: Model, history: Mapping[str, list[Any]], record: Mapping[str, Any]
    ) -> None:
        """`record` contains seed, iterations, seconds, stopped_because and estimate of the training."""
        self.problem, self.model = problem, model
        self.history = {name: list(column) for name, column in history.items()}
        self.record = dict(record)
        self.formula: Formula | None = None
        self.audited: Audit | None = None
        self._warned = False  # of points outside the domain

    @property
    def network(self) -> KAN:
        return self.model.network

    @property
    def stopped_because(self) -> str:
        """The reason why training ended, in words."""
        return str(self.record["stopped_because"])

    @property
    def estimate(self) -> float:
        """The relative error that training estimates without `exact`; infinite if it has no estimate."""
        found = self.record.get("estimate")
        return math.inf if found is None else float(found)

    @property
    def unknowns(self) -> dict[str, Any]:
        """What an inverse problem has found, by name: numbers, and functions that answer like a solution."""
        values = self.model.unknowns
        expansions = {each.name: each for each in self.problem.expansions}
        found: dict[str, Any] = {}
        for name in self.problem.unknowns:
            if name in expansions:
                coefficients = torch.stack([values[each].detach() for each in expansions[name].names])
                found[name] = FoundFunction(expansions[name], coefficients)
            else:
                found[name] = float(values[name].detach())
        return found

    def __call__(self, points: Any = None, /, **coordinates: Any) -> Any:
        """Return u at coordinates by name: an array of the broadcast shape, or a dict by field for a system.

        Points (n, d), with columns in the order of the coordinates, give an array (n,), or (n, fields) for a system;
        for one coordinate they may have the shape (n,).
        Outside the domain the network's edges go on linearly, which is no solution; the first such point warns.
        Raises ProblemError if a coordinate is missing or unknown, or if shapes do not broadcast.
        """
        if points is not None:
            if coordinates:
                raise ProblemError(f"expected points or coordinates by name, got both; leave out {min(coordinates)}=")
            return self._at_points(points)
        return self._shaped(lambda points: self._jets(points, ()), coordinates, self.problem.fields)

    def derivative(self, partial: str, field: str | None = None, **coordinates: Any) -> Any:
        """Return a partial derivative such as "xx" or "xt" in the form of `__call__`; of one `field` if it is given.

        Raises ProblemError if `partial` is not a partial derivative, or if a field or coordinate is unknown.
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
        """Return the equation's residual at coordinates by name; a dict by component for a system of equations.

        Raises ProblemError if a coordinate is missing or unknown, if shapes do not broadcast, or without an equation.
        """
        if not self.problem.has_equation:
            raise ProblemError("expected a problem with an equation, got a function of data, which has no residual")
        residuals = self._residuals()
        part = residuals.parts[0]

        def evaluate(points: Tensor) -> Tensor:
            return residuals.values(residuals.chunks(replace(part, points=points, index=None))).T

        return self._shaped(evaluate, coordinates, part.block.components)

    def errors(self) -> dict[str, float | None]:
        """Return relative_l2, max_error and relative_h1 against the known solution v, exact or else reference.

        relative_l2 is sqrt(∫Σ(u - v)² / ∫Σv²) over all fields, max_error is max |u - v|, and relative_h1 adds all first
        derivatives to both integrals. They are None without a known solution; relative_h1 needs an exact one.
        """
        comparison = Comparison(self.problem)
        found = self.partials(comparison.points, comparison.partials)
        return comparison.errors(lambda _, partial: found[partial])

    @one_thread()
    def audit(self) -> Audit:
        """Return the audit made after training; a solution without one is audited now.

        It has the `verdict` "solved", "doubtful" or "failed", the `reasons` for it, and the estimates of the relative
        L2 error and of the maximum error, which use no known solution.
        """
        if self.audited is None:
            self.audited = audit(self.problem, self.model, residual=self.estimate)
        return self.audited

    @property
    def verdict(self) -> str:
        """The verdict of `audit`."""
        return self.audit().verdict

    @property
    def uncertainty(self) -> dict[str, Any]:
        """One standard deviation of every unknown, from the noise of measurements; empty without these.

        It is a number, or for an unknown function a function of the same coordinates; infinite with too few data.
        """
        audited = self.audit()
        functions = {
            each.name: Deviation(each, np.array(audited.factors[each.name]))
            for each in self.problem.expansions
            if audited.factors.get(each.name)
        }
        return {**(audited.uncertainty or {}), **functions}

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences of `audit` that say why the verdict is not "solved"."""
        return self.audit().reasons

    @property
    def error_estimate(self) -> float | None:
        """The estimate of `audit` of the relative L2 error."""
        return self.audit().error_estimate

    @property
    def error_estimate_max(self) -> float | None:
        """The estimate of `audit` of the maximum error."""
        return self.audit().error_estimate_max

    @property
    def error_bound(self) -> float | None:
        """The number that the maximum error is proved not to exceed; None without a proof."""
        return self.audit().error_bound

    @property
    def bound_steps(self) -> tuple[str, ...]:
        """The lines of the proof of `error_bound`, or the reason why there is none."""
        return self.audit().bound_steps

    def relative_l2(self, comparison: Comparison) -> float | None:
        """Return the relative L2 error on the grid of `comparison`; None without an exact or reference solution."""
        return comparison.relative_l2(self.evaluate)

    def evaluate(self, points: npt.NDArray[np.float64], partial: MultiIndex = ()) -> npt.NDArray[np.float64]:
        """Return one partial of all fields at points (n, d): (n, fields)."""
        return self.partials(points, [partial])[partial]

    def partials(
        self, points: npt.NDArray[np.float64], partials: Sequence[MultiIndex]
    ) -> dict[MultiIndex, npt.NDArray[np.float64]]:
        """Return several partials of all fields at points (n, d), each (n, fields), from one evaluation of the jets."""
        if not partials:
            return {}
        plan = JetPlan(points.shape[1], list(partials))
        jets = self.model.jets_at(self._tensor(points), plan, partials)
        return dict(zip(partials, np.moveaxis(np.asarray(jets.cpu().double()), 1, 0), strict=True))

    def plot(self) -> Figure:
        """Return a figure of the solution, with the exact or reference solution and the error if one is known."""
        from kanpde.plots import solution_figure

        return solution_figure(self)

    @one_thread()
    def symbolify(self, **options: Any) -> Formula:
        """Search for a formula of the solution, try to prove it, return it and store it in `formula`.

        The options are those of `kanpde.symbolic.symbolification.symbolify`: budget_seconds, seed, functions, progress.
        """
        from kanpde.symbolic.symbolification import symbolify

        self.formula = symbolify(self, **options)
        return self.formula

    def edge_curves(self) -> list[dict[str, Any]]:
        """Return the learned function of every edge; see `KAN.edge_curves`."""
        if isinstance(self.network, PartedNetwork | SlabbedNetwork):
            raise KanpdeError(
                "expected one network, got one for each part of the domain; see solution.network.networks"
            )
        return self.network.edge_curves()

    def metrics(self, points: Any = None, values: Any = None) -> dict[str, Any]:
        """Return the numbers of a run, as they are written to metrics.json.

        With points (n, d) and values (n,), or (n, fields) for a system, return the errors against these instead: "mse",
        "mae", "rmse" and "r2", see `kanpde.collocation.comparison.scores`.
        """
        if points is not None:
            return scores(self._as_array(self(points)), self._as_array(values))
        rms, formula = self.rms(), self.formula
        symbolic = None if formula is None else formula.seconds
        parameter = next(self.network.parameters())
        return {
            "problem": self.problem.name,
            **self.errors(),
            "residual_rms": rms.pop("residual", None),
            "conditions_rms": rms,
            "seconds": {
                "training": self.record["seconds"],
                "symbolic": symbolic,
                "total": self.record["seconds"] + (symbolic or 0.0),
            },
            "iterations": self.record["iterations"],
            "stopped_because": self.stopped_because,
            **self.audit().summary(),
            "parameters": self.model.active,
            "device": str(parameter.device),
            "dtype": str(parameter.dtype).removeprefix("torch."),
            "seed": self.record["seed"],
            "width": self.network.architecture()["width"],
            "networks": len(self.network.networks) if isinstance(self.network, SlabbedNetwork) else 1,
            "unknowns": {name: in_json(each) for name, each in self.unknowns.items()},
            "formula": None if formula is None else formula.summary(),
            "versions": {"kanpde": __version__, "torch": torch.__version__, "python": platform.python_version()},
        }

    def rms(self) -> dict[str, float]:
        """Return the root mean square of the residual and of every condition, hard ones included, at new points."""
        residuals = self._residuals(hard=True)
        generator = np.random.default_rng(2**32 + 1)
        residuals.sample(self.problem.domain, lambda block: CHECK_POINTS, generator)
        return residuals.rms()

    def save(self, path: str | Path) -> None:
        """Write one file of tensors and JSON, without executable code, that `load` reads on any device."""
        metadata = {
            "problem": described(self.problem),
            "architecture": self.network.architecture(),
            "history": self.history,
            "record": self.record,
            "audit": None if self.audited is None else self.audited.to_json(),
            "formula": None if self.formula is None else self.formula.to_json(),
            "singular": self.model.ansatz.to_json() if isinstance(self.model.ansatz, SingularPart) else None,
        }
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        files.write(path, {**tensors, **samples_of(self.problem), "unknowns": self.model.constants}, metadata)

    def export(
        self,
        path: str | Path,
        shape: int | Sequence[int] | Mapping[str, int] | None = None,
        times: float | Sequence[float] | None = None,
    ) -> None:
        """Write a file for another program, by its ending: see `kanpde.export.export`."""
        # Imported here, because most solutions are not exported.
        from kanpde.export import export

        export(self, path, shape, times)

    @classmethod
    def load(cls, path: str | Path, problem: Problem | None = None, device: str = "cpu") -> Solution:
        """Read a file written by `save`. The problem is found by its name; pass `problem` if a script defines it.

        Raises KanpdeError if the file is of another kind or its names differ from the problem's, and ProblemError if
        the problem is not found.
        """
        with files.contents_of(path):
            return cls._read(path, problem, device)

    @classmethod
    def _read(cls, path: str | Path, problem: Problem | None, device: str) -> Solution:
        tensors, metadata = files.read(path, torch_device(device))
        if "architecture" not in metadata or "unknowns" not in tensors:
            raise KanpdeError(f"expected a solution at {path}, got another file of kanpde's")
        if problem is None and SAMPLES[0] in tensors:
            problem = regression_of(tensors, metadata["problem"])
        problem = problem or restored(metadata["problem"])
        names = described(problem)
        check_saved(path, metadata["problem"], {key: names[key] for key in ("coordinates", "fields", "unknowns")})
        state = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
        network = saved_on(problem.partition, metadata["architecture"], state)
        singular = metadata.get("singular")  # files of older versions have none
        ansatz = SingularPart.from_json(singular) if singular else Ansatz.of(problem)
        model = Model(network, ansatz, problem.constants)
        model.to(tensors["unknowns"].device)
        model.constants.data.copy_(tensors["unknowns"])
        solution = cls(problem, model, metadata["history"], metadata["record"])
        solution.formula = _formula(metadata.get("formula"))
        saved = metadata.get("audit")  # files of older versions have none
        solution.audited = None if saved is None else Audit.from_json(saved)
        return solution

    def _residuals(self, *, hard: bool = False) -> Residuals:
        return Residuals(self.model, self.problem.blocks(hard=hard), self.problem.domain.names)

    def _jets(self, points: Tensor, partial: MultiIndex) -> Tensor:
        plan = JetPlan(points.shape[1], [partial])
        return self.model.jets(self.model.prepare(points, plan))[:, plan.index[partial]]

    def _at_points(self, points: Any) -> Any:
        """Return u at points (n, d) as an array or tensor (n,), or (n, fields) for a system."""
        table, names = self._tensor(points), self.problem.domain.names
        table = table[:, None] if table.dim() == 1 and len(names) == 1 else table
        if table.dim() != 2 or table.shape[1] != len(names):
            raise ProblemError(
                f"expected points of shape (n, {len(names)}) with the columns {', '.join(names)}, got shape "
                f"{tuple(table.shape)}"
            )
        found = self._in_chunks(lambda chunk: self._jets(chunk, ()), table)
        found = found[:, 0] if len(self.problem.fields) == 1 else found
        return found.to(points.device) if isinstance(points, Tensor) else np.asarray(found.cpu())

    @staticmethod
    def _as_array(values: Any) -> npt.NDArray[np.float64]:
        return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)

    def _shaped(self, evaluate: Any, coordinates: Mapping[str, Any], names: tuple[str, ...]) -> Any:
        """Evaluate at coordinates and return the (n, names) values in the coordinates' shape, array type and device."""
        expected = self.problem.domain.names
        if set(coordinates) != set(expected):
            given = ", ".join(coordinates) or "none"
            raise ProblemError(
                f"expected the coordinates {', '.join(expected)} by name, got {given}; give each of them once"
            )
        where = next((value.device for value in coordinates.values() if isinstance(value, Tensor)), None)
        tensors = [self._tensor(coordinates[name]) for name in expected]
        try:
            columns = torch.broadcast_tensors(*tensors)  # type: ignore[no-untyped-call]
        except RuntimeError:
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in zip(expected, tensors, strict=True))
            raise ProblemError(f"expected shapes that broadcast, got {shapes}; a grid is x[:, None] and t") from None
        points = torch.stack([column.reshape(-1) for column in columns], dim=1)
        self._warn_outside(points)
        values = self._in_chunks(evaluate, points)
        shaped = [column.reshape(columns[0].shape) for column in values.T]
        arrays = [np.asarray(each.cpu()) if where is None else each.to(where) for each in shaped]
        return arrays[0] if len(names) == 1 else dict(zip(names, arrays, strict=True))

    def _warn_outside(self, points: Tensor) -> None:
        """Warn once if points (n, d) are outside the domain's bounding box; periodic coordinates never are."""
        if self._warned or not len(points) or isinstance(self.problem, Regression):
            return
        domain, network = self.problem.domain, self.network
        known = network.periodic if isinstance(network, SlabbedNetwork) else ()
        periodic = network.first.basis.periodic if isinstance(network, KAN) else known or (False,) * domain.dimension
        ends = np.stack([points.amin(dim=0).detach().cpu().numpy(), points.amax(dim=0).detach().cpu().numpy()])
        beyond = np.maximum(domain.low - ends[0], ends[1] - domain.high)
        far = [
            f"{name} by {beyond[axis]:.3g} of [{domain.low[axis]:g}, {domain.high[axis]:g}]"
            for axis, name in enumerate(domain.names)
            if not periodic[axis] and beyond[axis] > OUTSIDE * (domain.high[axis] - domain.low[axis])
        ]
        if far:
            self._warned = True
            warnings.warn(
                f"{self.problem.name} is evaluated outside its domain ({', '.join(far)}), where nothing was solved; "
                "the values there are an extrapolation",
                OutsideDomainWarning,
                stacklevel=4,
            )

    def _in_chunks(self, evaluate: Any, points: Tensor) -> Tensor:
        if torch.is_grad_enabled() and points.requires_grad:
            return torch.cat([evaluate(chunk) for chunk in torch.split(points, CHUNK)])
        with torch.no_grad():
            return torch.cat([evaluate(self._tensor(chunk)).detach() for chunk in torch.split(points, CHUNK)])

    def _tensor(self, values: Any) -> Tensor:
        like = next(self.network.parameters())
        if isinstance(values, Tensor):
            return values.to(like)
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise ProblemError(f"expected real numbers as coordinates, got {values!r}")
        # Copied, because torch rejects arrays that are read-only or have negative strides or another byte order.
        return torch.from_numpy(array.astype(np.float64, order="C")).to(like)


def _formula(saved: Mapping[str, Any] | None) -> Formula | None:
    """Return the formula of a saved solution; None if it has no formula."""
    if saved is None:
        return None
    from kanpde.symbolic.formula import Formula

    return Formula.from_json(saved)


def in_json(found: Any) -> Any:
    """Return a number or a function that an inverse problem has found as JSON."""
    return found.to_json() if isinstance(found, FoundFunction) else found


def samples_of(problem: Problem) -> dict[str, Tensor]:
    """Return the samples of a regression as tensors for a file, with its box; nothing for other problems."""
    if not isinstance(problem, Regression):
        return {}
    samples = problem.points, problem.values, problem.held_out_points, problem.held_out_values
    box = np.stack([problem.domain.low, problem.domain.high])
    return {name: torch.as_tensor(array) for name, array in zip(SAMPLES, [*samples, box], strict=True)}


def regression_of(tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> Regression:
    """Return the regression that `samples_of` and `described` have written."""
    *samples, box = (tensors[name].cpu().double().numpy() for name in SAMPLES)
    names = description["coordinates"]
    domain = DataBox(**dict(zip(names, box.T.tolist(), strict=True)))
    return Regression(domain, samples[0], samples[1], tuple(description["fields"]), samples[2], samples[3])


def described(problem: Problem) -> dict[str, Any]:
    """Return the description of a problem that a file stores, in the form in which JSON reads it back."""
    unknowns = tuple(f"{n} = {each}" if isinstance(each, Function) else n for n, each in problem.unknowns.items())
    names = {"coordinates": problem.domain.names, "fields": problem.fields, "unknowns": unknowns}
    description = {"name": problem.name, "parameters": json_parameters(problem.parameters()), **names}
    if isinstance(problem, TextProblem):
        description["text"] = text_json.to_json(problem)
    return dict(json.loads(json.dumps(description)))


def restored(description: Mapping[str, Any]) -> Problem:
    """Return the problem of a description: from its own text, else from the registry by its name."""
    name, parameters = description["name"], description["parameters"]
    if "text" in description:
        return text_json.from_json(name, description["text"], parameters)
    return registry.load_problem(name, **parameters)


def check_saved(path: str | Path, got: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if the file at `path` describes another problem than expected."""
    for key, value in expected.items():
        if got.get(key) != value:
            raise ConfigurationError(
                f"expected the {key} {value} at {path}, got {got.get(key)}; give the problem that was saved there"
            )


def json_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that JSON can represent, with NumPy numbers converted to Python numbers."""
    numbers = {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items()}
    return {name: value for name, value in numbers.items() if _in_json(value)}


def _in_json(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_in_json, value))
    return isinstance(value, (bool, int, float, str, type(None)))
