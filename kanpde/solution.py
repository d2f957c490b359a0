"""The solution of a problem: evaluate, compare, plot and save it."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kanpde import files
from kanpde.calculus.arrays import Array, MultiIndex, real_array
from kanpde.calculus.devices import one_thread, torch_device
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.comparison import Comparison, scores
from kanpde.errors import KanpdeError, ProblemError, nearest
from kanpde.files import __version__
from kanpde.marching.audit.audit import Audit
from kanpde.marching.audit.judge import audit, with_bound
from kanpde.network.evaluation import Evaluation
from kanpde.network.kan import KAN
from kanpde.network.parted import PartedNetwork
from kanpde.network.residuals import Residuals
from kanpde.network.slabbed import SlabbedNetwork
from kanpde.network.trial_function import Model, saved_on
from kanpde.problem.evolving_part import EvolvingPart
from kanpde.problem.field import parse_partial
from kanpde.problem.found_function import Deviation, FoundFunction
from kanpde.problem.lift import Ansatz, SingularPart, singular_part
from kanpde.problem.problem import Problem
from kanpde.problem.regression import Regression
from kanpde.problem.saved import SAMPLES, check_saved, described, regression_of, restored, samples_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kanpde.symbolic.formula import Formula

CHECK_POINTS = 4096  # of the root mean squares of the residual and of each condition


class Solution:
    """u(x), evaluated at coordinates by name: ``solution(x=xs, t=ts)``.

    NumPy arrays and numbers give NumPy arrays, torch tensors give torch tensors; shapes broadcast. A system gives a
    dict by field. Tensors that require gradients give values that autograd differentiates by the coordinates.

    `problem` is the problem, `model` the trained function, and `history` the columns of the training's history by name.
    `formula` is the formula that `symbolify` found, None before. `audited` is the audit made after training, None
    before; `audit` adds a bound to it.
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
        self.memory = math.inf  # bytes that an audit and a proof may take
        everywhere = isinstance(problem, Regression)  # a function of data has no boundary
        self._evaluation = Evaluation(problem.name, problem.domain, model.network, everywhere=everywhere)

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
            return self._evaluation.at_points(lambda chunk: self._jets(chunk, ()), points)
        return self._evaluation.by_name(lambda chunk: self._jets(chunk, ()), coordinates, self.problem.fields)

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
        result = self._evaluation.by_name(lambda chunk: self._jets(chunk, alpha), coordinates, self.problem.fields)
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

        return self._evaluation.by_name(evaluate, coordinates, part.block.components)

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
        """Return the audit: the `verdict` "solved", "doubtful" or "failed", with `reasons`, estimates, and a bound.

        The estimates of the relative L2 error and of the maximum error use no known solution. Training makes them; a
        solution without them is audited now. The proved bound of the error is looked for at the first call, for up to
        10 seconds; `verdict`, `reasons`, `uncertainty` and the estimates do not wait for it.
        """
        self.audited = with_bound(self._judged(), self.problem, self.model, self.memory)
        return self.audited

    @one_thread()
    def _judged(self) -> Audit:
        """Return the audit, with or without its bound."""
        if self.audited is None:
            self.audited = audit(self.problem, self.model, residual=self.estimate, memory=self.memory)
        return self.audited

    @property
    def verdict(self) -> str:
        """The verdict of `audit`."""
        return self._judged().verdict

    @property
    def uncertainty(self) -> dict[str, Any]:
        """One standard deviation of every unknown, from the noise of measurements; empty without these.

        It is a number, or for an unknown function a function of the same coordinates; infinite with too few data.
        """
        audited = self._judged()
        functions = {
            each.name: Deviation(each, np.array(audited.factors[each.name]))
            for each in self.problem.expansions
            if audited.factors.get(each.name)
        }
        return {**(audited.uncertainty or {}), **functions}

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences of `audit` that say why the verdict is not "solved"."""
        return self._judged().reasons

    @property
    def error_estimate(self) -> float | None:
        """The estimate of `audit` of the relative L2 error."""
        return self._judged().error_estimate

    @property
    def error_estimate_max(self) -> float | None:
        """The estimate of `audit` of the maximum error."""
        return self._judged().error_estimate_max

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

    def evaluate(self, points: Array, partial: MultiIndex = ()) -> Array:
        """Return one partial of all fields at points (n, d): (n, fields)."""
        return self.partials(points, [partial])[partial]

    def partials(self, points: Array, partials: Sequence[MultiIndex]) -> dict[MultiIndex, Array]:
        """Return several partials of all fields at points (n, d), each (n, fields), from one evaluation of the jets."""
        if not partials:
            return {}
        plan = JetPlan(self.problem.domain.dimension, list(partials))
        jets = self.model.jets_at(self._evaluation.table(points), plan, partials)
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
            return scores(real_array(self(points)), real_array(values))
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
        files.write(path, *self.state())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that a file of the solution holds, as tensors and JSON."""
        singular = self.model.ansatz
        metadata = {
            "problem": described(self.problem),
            "architecture": self.network.architecture(),
            "history": self.history,
            "record": self.record,
            "audit": None if self.audited is None else self.audited.to_json(),
            "formula": None if self.formula is None else self.formula.to_json(),
            "singular": singular.to_json() if isinstance(singular, SingularPart | EvolvingPart) else None,
        }
        evolving = singular.tensors() if isinstance(singular, EvolvingPart) else {}
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        return {**tensors, **evolving, **samples_of(self.problem), "unknowns": self.model.constants}, metadata

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
            return cls.of_state(path, *files.read(path, torch_device(device)), problem)

    @classmethod
    def of_state(
        cls,
        path: str | Path,
        tensors: Mapping[str, Tensor],
        metadata: Mapping[str, Any],
        problem: Problem | None = None,
    ) -> Solution:
        """Return the solution with this `state`, read from the file at `path`, which errors name."""
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
        ansatz = singular_part(singular, tensors) if singular else Ansatz.of(problem)
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


def _formula(saved: Mapping[str, Any] | None) -> Formula | None:
    """Return the formula of a saved solution; None if it has no formula."""
    if saved is None:
        return None
    from kanpde.symbolic.formula import Formula

    return Formula.from_json(saved)


def in_json(found: Any) -> Any:
    """Return a number or a function that an inverse problem has found as JSON."""
    return found.to_json() if isinstance(found, FoundFunction) else found
