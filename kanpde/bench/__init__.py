"""Compare kanpde with other programs on the same equations, points and clock, and measure the cost of a step."""
