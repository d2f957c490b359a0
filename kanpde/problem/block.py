"""One named group of residual rows that must vanish, and where: what a problem hands to the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from kanpde.arrays import Array, MultiIndex
from kanpde.geometry.domain import Face
from kanpde.problem.field import Field

Evaluate = Callable[[tuple["Side", ...], "Tensor | None", Mapping[str, Tensor]], Tensor]
Images = Callable[[Tensor], tuple[Tensor, ...]]
# Which partials of which field (by its number) a block looks up.
Partials = Mapping[int, frozenset[MultiIndex]]


@dataclass(frozen=True)
class Side:
    """The fields at one set of points (n, d), in the order of the problem's fields."""

    points: Tensor
    fields: tuple[Field, ...]


def in_place(points: Tensor) -> tuple[Tensor, ...]:
    """The images of points for a block that needs the fields at the points themselves, and nowhere else."""
    return (points,)


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of the least-squares problem that share their points.

    ``name`` is "residual" for the equation and the condition's name otherwise, ``components`` name the rows. ``faces``
    are where points are sampled, () for the interior; ``points`` are fixed ones (n, d), and then nothing is sampled.
    ``images`` maps sampled points to the points where fields are needed, one Side for each.

    ``evaluate(sides, index, unknowns)`` gives the rows, (components, n). ``index`` (n,) says for every point which of
    ``faces`` it lies on, or which of the fixed ``points`` it is (None: all of them, in order); the interior needs none.
    It runs tensor operations only, on any device and dtype, and autograd flows through it to what the fields look up.
    """

    name: str
    kind: str
    components: tuple[str, ...]
    faces: tuple[Face, ...]
    partials: Partials
    evaluate: Evaluate
    points: Array | None = None
    images: Images = in_place
    weight: float = 1.0
    hard: bool = False
