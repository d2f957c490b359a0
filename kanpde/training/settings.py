"""The settings of a run, validated once when they are created."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from kanpde.calculus.devices import torch_device, torch_dtype
from kanpde.calculus.memory import bytes_of
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import ConfigurationError, among, nearest, number, options
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.network.penalties import Regularisation
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.schedule import EXAMPLE, PENALTIES, Stage
from kanpde.training.weighting import RULES

WARM_STARTS = ("march", "none")


@dataclass(frozen=True)
class TrainingOptions:
    """The settings of the group "training"; raise ConfigurationError for values that are not valid."""

    budget_seconds: float | None = None  # limit of the wall time; None: train until convergence
    max_iterations: int | None = None  # limit of the number of iterations, of all stages together; None: no limit
    target: float | None = None  # training ends at this estimated relative error; None: it has no target
    bound: float | None = (
        None  # training ends when the maximum error is proved to be at most this; None: no proof asked
    )
    stages: tuple[Stage, ...] | None = None  # the optimisers; None: a march if possible, else by size and dtype
    warm_start: str = "march"  # how a network of given sizes begins: "march", as its imitation, or "none", at random
    max_parameters: int | None = None  # limit of refinement; None: 8000 in a march, else 1500, 2000 if nonlinear
    memory: float | str | None = None  # limit of the process's memory, "4GiB" or bytes; None: a share of the computer's
    resample_every: int = 5  # number of iterations between losses at fresh points; 0: points never change
    l1: float = 0.0  # weight of the sparsity of the edges' sizes, see `kanpde.network.penalties`
    entropy: float = 0.0  # weight of the entropy of the edges' sizes
    smoothness: float | None = None  # weight of the edges' squared second derivatives; None: 0, or chosen by a fit
    weighting: str = "none"  # name of the rule that weights blocks and points in addition to the size of their terms
    checkpoint_seconds: float = 5.0  # time between checkpoints
    tensorboard: bool = False  # True if a run writes event files

    def __post_init__(self) -> None:
        for name in ("budget_seconds", "target", "bound"):
            value = getattr(self, name)
            if value is not None and not (number(value) and value > 0):
                raise ConfigurationError(f"expected training.{name} to be a positive number or null, got {value!r}")
        if self.target is not None and self.target >= 1:
            raise ConfigurationError(f"expected training.target, a relative error, below 1, got {self.target!r}")
        if not isinstance(self.tensorboard, bool):
            raise ConfigurationError(f"expected training.tensorboard to be true or false, got {self.tensorboard!r}")
        if self.memory is not None:
            bytes_of("training.memory", self.memory)
        self._require_numbers()
        for name in PENALTIES:
            value = getattr(self, name)
            if not (name == "smoothness" and value is None) and not (number(value) and value >= 0):
                raise ConfigurationError(f"expected training.{name} to be a number of at least 0, got {value!r}")
        if not among(self.weighting, RULES):
            raise ConfigurationError(f"unknown training.weighting {self.weighting!r}; {nearest(self.weighting, RULES)}")
        if not among(self.warm_start, WARM_STARTS):
            expected = nearest(str(self.warm_start), WARM_STARTS)
            raise ConfigurationError(f"unknown training.warm_start {self.warm_start!r}; {expected}")
        if self.stages is not None:
            if not isinstance(self.stages, (list, tuple)) or not self.stages:
                raise ConfigurationError(
                    f"expected training.stages to be null or a list with an entry like {EXAMPLE}, got {self.stages!r}"
                )
            object.__setattr__(self, "stages", tuple(map(Stage.of, self.stages)))

    def _require_numbers(self) -> None:
        least = {"max_parameters": 0, "max_iterations": 1, "resample_every": 0, "checkpoint_seconds": 0}
        for name, smallest in least.items():
            value, whole = getattr(self, name), name in ("max_iterations", "resample_every")
            if value is None and name.startswith("max_"):
                continue
            if not (number(value, whole=whole) and value >= smallest):
                kind = "whole number" if whole else "number"
                raise ConfigurationError(
                    f"expected training.{name} to be a {kind} of at least {smallest}, got {value!r}"
                )

    @property
    def penalises(self) -> bool:
        """True if a penalty has a weight."""
        return any(getattr(self, name) for name in PENALTIES)

    @property
    def sparsity(self) -> Regularisation | None:
        """The weights of the sparsity; None if both are zero."""
        return Regularisation(self.l1, self.entropy) if self.l1 or self.entropy else None


@dataclass(frozen=True)
class Settings:
    """All settings of a run except its problem; raise ConfigurationError for values that are not valid."""

    network: KAN | MLP  # its sizes; if it is built, also the initial parameters
    training: TrainingOptions
    sampling: SamplingOptions
    symbolic: SymbolicOptions
    seed: int
    device: str  # as the user wrote it, because "auto" depends on the machine
    dtype: str  # "float64" or "float32"

    def __post_init__(self) -> None:
        whole_seed(self.seed)
        if not isinstance(self.network, (KAN, MLP)):
            raise ConfigurationError(f"expected a network such as KAN(width=[5, 5]), got {self.network!r}")
        stages = self.training.stages or ()
        sparse = [name for name in ("l1", "entropy") if any(getattr(each, name) for each in (self.training, *stages))]
        if sparse and not isinstance(self.network, KAN):
            raise ConfigurationError(
                f"expected no {sparse[0]} for a perceptron, which has no functions on its edges; leave it out, or take "
                "a KAN"
            )
        torch_device(self.device)
        torch_dtype(self.dtype)

    @classmethod
    def read(cls, groups: Mapping[str, Any], kind: type[TrainingOptions] = TrainingOptions) -> Settings:
        """Return the settings from groups, as in a configuration or in `to_json`; other keys are ignored.

        `kind` is the class of the group "training".
        Raises ConfigurationError for values that are not valid.
        """
        return cls(
            network=network_of(groups["network"]),
            training=options(kind, "training", groups["training"]),
            sampling=options(SamplingOptions, "sampling", groups["sampling"]),
            symbolic=options(SymbolicOptions, "symbolic", groups.get("symbolic", {"enabled": False})),
            **{name: groups[name] for name in ("seed", "device", "dtype")},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the settings by group as JSON; of the network only its sizes."""
        kind = {"kind": "mlp"} if isinstance(self.network, MLP) else {}
        sizes = {**kind, **self.network.settings()}
        groups = {name: asdict(getattr(self, name)) for name in ("training", "sampling", "symbolic")}
        return {"network": sizes, **groups, **{name: getattr(self, name) for name in ("seed", "device", "dtype")}}

    def with_training(self, changes: Mapping[str, Any]) -> Settings:
        """Return the settings with `changes` in the group "training"."""
        known = {field.name: getattr(self.training, field.name) for field in fields(self.training)}
        return replace(self, training=options(type(self.training), "training", {**known, **changes}))


def whole_seed(seed: object) -> int:
    """Return the seed; raise ConfigurationError if it is not a whole number of at least 0."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigurationError(f"expected seed to be a whole number of at least 0, got {seed!r}")
    return seed


def network_of(sizes: Mapping[str, Any]) -> KAN | MLP:
    """Return the network of these sizes; raise ConfigurationError for a name or a type that it does not accept."""
    try:
        if sizes.get("kind") == "mlp":
            return MLP(**{name: value for name, value in sizes.items() if name != "kind"})
        return KAN(**sizes)
    except TypeError as error:
        raise ConfigurationError(f"expected the settings of a network, got {dict(sizes)}: {error}") from error
