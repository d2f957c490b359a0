"""The families of edge functions by the names that `KAN(family=...)` and saved networks call them."""

from __future__ import annotations

from kanpde.network.bspline import BSpline
from kanpde.network.edge_basis import EdgeBasis

FAMILIES: dict[str, type[EdgeBasis]] = {"bspline": BSpline}
