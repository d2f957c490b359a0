"""Tensor trains of splines for four and more coordinates: starts, ranks, knots, and the search that chooses them."""
