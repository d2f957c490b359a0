"""Weights that balance themselves: rules as functions of numbers, one a file, and `Balance`, which applies one."""

from kanpde.training.weighting.balance import Balance

__all__ = ["Balance"]
