"""The families of edge functions by name, as in `KAN(family=...)` and in saved networks."""

from __future__ import annotations

from kanpde.network.bspline import BSpline
from kanpde.network.edge_basis import EdgeBasis

FAMILIES: dict[str, type[EdgeBasis]] = {"bspline": BSpline}
