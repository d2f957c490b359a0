"""How many unknowns of a slab fit into an amount of memory: measured peaks of a step, rounded up.

A factored slab holds JᵀJ, its factor, and the parts that are summed to it. Along one axis JᵀJ is a band whose width
does not depend on the number of knots; along more axes it is taken for dense. A slab that is solved by iteration holds
vectors at its points, whose number grows with the coordinates.
"""

from __future__ import annotations

import math

COPIES = 5.0  # of JᵀJ at the peak of a step
EACH = 3000.0  # bytes of a factored unknown beside JᵀJ
ITERATED = 250.0  # bytes of an unknown without a factor, in no coordinate; times 3 for each coordinate
LARGEST = 2**53  # unknowns, where memory is no limit
NUMBER = 8.0  # bytes


def factored_within(memory: float, width: float | None) -> int:
    """Return the largest number of unknowns that are factored in this memory; `width` is that of the band, if any."""
    if math.isinf(memory):
        return LARGEST
    if width is not None:
        return int(memory / (NUMBER * COPIES * 2 * width + EACH))
    # The root of COPIES · 8 P² + EACH P = memory.
    half = EACH / (2 * NUMBER * COPIES)
    return int(math.sqrt(half**2 + memory / (NUMBER * COPIES)) - half)


def iterated_within(memory: float, dimension: int) -> int:
    """Return the largest number of unknowns that are solved for by iteration in this memory."""
    return LARGEST if math.isinf(memory) else int(memory / (ITERATED * 3**dimension))


def factored_bytes(unknowns: int, width: float | None) -> float:
    """Return the memory that this number of factored unknowns needs: the inverse of `factored_within`."""
    of_matrix = NUMBER * COPIES * (2 * width if width is not None else unknowns)
    return unknowns * (of_matrix + EACH)
