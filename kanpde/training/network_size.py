"""The network of a descent: built for its problem, and how large it may become."""

from __future__ import annotations

from kanpde.collocation.rows import plan_of
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.problem.lift import Lift
from kanpde.training.memory import largest_within
from kanpde.training.phase import TrainingTask, check_degree, copy_of_built

MAX_PARAMETERS = {True: 1500, False: 2000}  # largest refined network, for linear (True) and other equations (False)


def largest_size(task: TrainingTask) -> float:
    """Return the number of parameters that a network may have after a refinement."""
    given = task.settings.training.max_parameters
    return min(MAX_PARAMETERS[task.affine] if given is None else given, largest_within(task.room.free))


def built_for(task: TrainingTask, network: KAN | MLP, ansatz: Lift | None) -> KAN | MLP:
    """Return a built network for the problem: a copy if `network` is built, else a new one of its sizes.

    Raises ConfigurationError if the network was built for other coordinates or fields, or if its degree is too low.
    """
    problem, domain, outputs = task.problem, task.problem.domain, len(task.problem.fields)
    blocks = problem.blocks()
    if network.built:
        own = copy_of_built(network, (domain.dimension, outputs), problem.name)
        check_degree(own, blocks)
        return own
    if isinstance(network, MLP):
        fresh = MLP(**network.settings())
        return fresh.build(domain.low, domain.high, outputs, seed=task.generator)
    order = max(plan_of(block, domain.dimension).order for block in blocks)
    sized = network.sized_for(domain.dimension, order, affine=task.affine)
    check_degree(sized, blocks)
    periodic = None if ansatz is None else ansatz.periodic
    return sized.build(domain.low, domain.high, outputs, periodic=periodic, seed=task.generator)
