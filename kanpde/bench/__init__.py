"""kanpde beside its peers: the same equation, points and wall clock in one run, and what a step costs by size."""
