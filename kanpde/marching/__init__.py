"""Solve a problem on a tensor product of splines, slab by slab in time, and compress the result to a network."""
