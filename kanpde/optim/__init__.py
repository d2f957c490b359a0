"""Optimisers: vectors and functions only, nothing of networks or equations."""
