"""The peers by name: each a module with ``run(problem, task, recorder)``, imported in the process that measures it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from kanpde.bench.task import Recorder, Task
from kanpde.problem.problem import Problem

Run = Callable[[Problem, Task, Recorder], None]


@dataclass(frozen=True)
class Peer:
    """`title` for people, `module` of this package, and the packages it imports, by the names it imports them by."""

    title: str
    module: str
    packages: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Those that are not installed."""
        return tuple(name for name in self.packages if importlib.util.find_spec(name) is None)


PEERS: Mapping[str, Peer] = {
    "kanpde": Peer("kanpde", "kanpde.bench.peers.default"),
    "mlp": Peer("kanpde's MLP, Gauss–Newton", "kanpde.bench.peers.perceptron"),
    "first_order": Peer("kanpde's KAN, Adam + L-BFGS", "kanpde.bench.peers.first_order"),
    "pykan": Peer("pykan", "kanpde.bench.peers.pykan", ("kan", "pandas", "sklearn", "tqdm", "yaml")),
    "deepxde": Peer("DeepXDE", "kanpde.bench.peers.deepxde", ("deepxde",)),
    "jaxkan": Peer("jaxKAN", "kanpde.bench.peers.jaxkan", ("jaxkan", "jax", "flax", "optax")),
    "classical": Peer("spectral method", "kanpde.bench.peers.classical"),
}
# The one that the others are measured against, and the one that is no network.
OURS, CLASSICAL = "kanpde", "classical"


def load(name: str) -> Run:
    """The function that measures a peer."""
    run: Run = import_module(PEERS[name].module).run
    return run
