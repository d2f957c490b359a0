"""Families of edge functions, one file each."""

from kanpde.bases.bspline import BSpline

__all__ = ["BSpline"]
