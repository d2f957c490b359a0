"""Kolmogorov–Arnold networks as trial functions: edge functions, layers, jets and Jacobians."""
