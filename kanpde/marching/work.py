"""Results that the steps of a march reuse: rows of an attempt, the factor of an anchor, numberings of unknowns."""

from __future__ import annotations

from dataclasses import dataclass

from kanpde.marching.linearisation import Numbered
from kanpde.marching.slab_system import factor_at, slab_system
from kanpde.marching.state import Anchor, Attempt, MarchState
from kanpde.marching.system import System
from kanpde.marching.task import MarchTask
from kanpde.optim.bordered import AnyFactor


@dataclass(frozen=True, eq=False)
class Work:
    """Cached results that steps reuse: an attempt's rows, an anchor's factor, and numberings of unknowns by axes."""

    attempt: Attempt
    system: System
    anchor: Anchor | None
    factor: AnyFactor | None
    numberings: dict[tuple[object, ...], Numbered]


def prepare(task: MarchTask, state: MarchState, work: Work | None) -> Work:
    """Return the cached results that a state needs, reusing those of `work` that are still valid."""
    attempt, anchor, key = state.attempt, state.anchor, numbering_key(task, state.attempt, state.last is not None)
    known = {k: each for k, each in work.numberings.items() if k[1:] == key[1:]} if work else {}
    system = work.system if work and work.attempt is attempt else slab_system(task, state, known.get(key))
    known[key] = system.numbered
    if anchor is None or (work and work.anchor is anchor):
        return Work(attempt, system, anchor, work.factor if work and anchor else None, known)
    place = numbering_key(task, anchor.attempt, anchor.joined)
    factor, known[place] = factor_at(task, anchor, known.get(place))
    return Work(attempt, system, anchor, factor, known)


def numbering_key(task: MarchTask, attempt: Attempt, joined: bool) -> tuple[object, ...]:
    """Return the key of a numbering of unknowns, which depends on the axes in space and on the blocks.

    On a shape it does not depend on these, so that the first slab's factor is that of the next ones.
    """
    return (joined and not task.shaped, *attempt.axes)
