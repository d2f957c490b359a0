"""A problem: its equation, its conditions, and its exact or reference solution if one is known."""
