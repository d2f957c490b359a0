"""Runs: the folder on disk, the console, progress and TensorBoard."""
