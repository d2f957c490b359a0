"""A tensor product of splines, solved slab by slab in time and compressed to a network."""
