"""Families of candidate formulas, one file each."""
