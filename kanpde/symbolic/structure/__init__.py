"""The numerical structure of a field, and the functions of one variable that fit it."""
