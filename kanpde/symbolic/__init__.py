"""Symbolic regression of a solution: structure, candidates, constants, and proof by computer algebra."""
