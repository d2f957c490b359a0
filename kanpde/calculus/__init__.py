"""Mathematics independent of any equation: splines, jets of partial derivatives, Legendre polynomials, expressions."""
