"""Constants of a candidate: fitted to the equation, reduced, and made exact."""
