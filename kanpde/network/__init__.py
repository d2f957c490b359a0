"""Kolmogorov–Arnold networks as trial functions: edges, layers, jets and Jacobians."""
