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
    """A peer's `title` for people, its `module` in this package, and the import names of the packages it needs."""

    title: str
    module: str
    packages: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that are not installed."""
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
# The peer that the others are compared with, and the peer that is not a network.
OURS, CLASSICAL = "kanpde", "classical"


def load(name: str) -> Run:
    """Return the function that measures a peer."""
    run: Run = import_module(PEERS[name].module).run
    return run
