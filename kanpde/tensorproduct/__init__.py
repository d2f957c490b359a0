"""Tensor products of splines on a box: the linear space in which a network's start is solved for."""
