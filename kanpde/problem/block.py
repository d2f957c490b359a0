"""A block: one named group of residual rows that must vanish, and the points where they must."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.geometry.domain import Domain, Face
from kanpde.geometry.patch import over
from kanpde.geometry.shape import Shape
from kanpde.problem.field import Field

Evaluate = Callable[[tuple["Side", ...], "Tensor | None", Mapping[str, Tensor]], Tensor]
Left = Callable[[tuple["Side", ...], "Tensor | None"], Tensor]
Images = Callable[[Tensor], tuple[Tensor, ...]]
# The partials that a block looks up, by the index of the field.
Partials = Mapping[int, frozenset[MultiIndex]]


@dataclass(frozen=True)
class Side:
    """The fields at one set of points (n, d), in the order of the problem's fields.

    `part` is the name of the problem's part in which all points lie; None if each point's part is looked up.
    """

    points: Tensor
    fields: tuple[Field, ...]
    part: str | None = None


def same_points(points: Tensor) -> tuple[Tensor, ...]:
    """Return the images of points for a block that needs the fields only at the points themselves."""
    return (points,)


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of the least-squares problem that share their points.

    ``name`` is "residual" for the equation, else the condition's name; ``components`` are the names of the rows.
    ``faces`` are the faces on which points are sampled, () for the interior. ``points`` (n, d), if given, are fixed
    points, and no points are sampled. ``images`` maps the points to the points where fields are needed, one Side each.
    If ``integrated`` names axes, the rows are integrals over these coordinates of what ``evaluate`` returns.
    ``kind`` is "residual", "condition", or "prior" for the smoothness of an unknown function, which is no equation;
    ``functions`` are the names of the unknown functions in the rows.
    ``affine`` rows are linear in the fields by their form, with values that are no code of the user's.
    ``left(sides, index)``, if given, returns rows without their values, which are linear in the fields and zero with
    them, so that their slopes are their values at unit jets.
    If ``place`` is given, a shape in space, the points and ``faces`` are those of the shape, for all other coordinates.

    ``evaluate(sides, index, unknowns)`` returns the rows, (components, n). ``index`` (n,) is the position of each
    point's face in ``faces``, or of the point in ``points`` (None: all of them, in order); it is None in the interior.
    It uses tensor operations only, on any device and dtype, and autograd differentiates it by the looked-up partials.
    """

    name: str
    kind: str
    components: tuple[str, ...]
    faces: tuple[Face, ...]
    partials: Partials
    evaluate: Evaluate
    points: Array | None = None
    images: Images = same_points
    weight: float = 1.0
    hard: bool = False
    integrated: tuple[int, ...] = ()
    place: Shape | None = None
    functions: tuple[str, ...] = ()
    affine: bool = False
    left: Left | None = None

    def with_rows(self, evaluate: Evaluate, **changes: Any) -> Block:
        """Return the block with other rows, of whose form nothing is known, and with these changes."""
        return replace(self, evaluate=evaluate, **{"affine": False, "left": None, **changes})

    @property
    def measured(self) -> bool:
        """True if the rows are measurements, which may be noisy."""
        return self.points is not None and self.kind != "prior"

    def within(self, domain: Domain) -> Domain:
        """Return the domain in which, or on whose faces, the points lie if the problem's is ``domain``."""
        return domain if self.place is None else over(self.place, domain)
