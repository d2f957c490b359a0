"""Families of edge functions, one file each."""

from kanpde.bases.bspline import BSpline
from kanpde.bases.legendre import legendre

__all__ = ["BSpline", "legendre"]
