"""Run a problem and record it: the run's folder, the console, progress lines and TensorBoard."""
