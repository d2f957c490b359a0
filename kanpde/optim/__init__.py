"""Optimisers: they work on vectors and functions and know neither networks nor equations."""
