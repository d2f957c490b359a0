"""Mathematics that knows no equation: splines, jets of partial derivatives, Legendre polynomials, expressions."""
