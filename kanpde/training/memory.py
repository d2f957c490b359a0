"""How much memory a training may take: the limit, what the process holds already, and what is left for arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kanpde.calculus.memory import bytes_of, held, of_machine, written
from kanpde.errors import ConfigurationError

SHARE = 0.8  # of the computer's memory, the default limit
RESERVED = 192 * 2**20  # bytes for libraries that are loaded later, for figures, and for blocks of a fixed size
LEAST = 64 * 2**20  # bytes for arrays, below which a limit is refused
FACTORS = 14  # matrices of P × P numbers at the peak of a step whose Jacobian is reduced chunk by chunk
KEPT_SHARE = 0.4  # of the memory that a whole Jacobian may take
POINT = 4000  # bytes of a point: the features of its coordinates, and its part of a chunk
NUMBER = 8.0  # bytes


@dataclass(frozen=True)
class Room:
    """The limit of a training's memory, and what is left of it for arrays, in bytes."""

    limit: float
    free: float

    @classmethod
    def of(cls, given: float | str | None) -> Room:
        """Return the room in the memory that a user gives, by default a share of the computer's.

        Raises ConfigurationError if a given limit leaves none.
        """
        if given is None:
            machine = of_machine()
            limit = math.inf if machine is None else SHARE * machine
            return cls(limit, max(limit - held() - RESERVED, 4 * LEAST))
        limit = bytes_of("training.memory", given)
        least = held() + RESERVED + LEAST
        if limit < least:
            raise too_little(least, limit, "Python, its libraries and a training of the smallest size")
        return cls(limit, limit - held() - RESERVED)

    def require(self, needed: float, what: str) -> None:
        """Raise ConfigurationError if what is `needed` for `what`, in bytes, is not free."""
        if needed > self.free:
            raise too_little(self.limit - self.free + needed, self.limit, what)

    def stated(self, needed: float) -> str:
        """Return a line about the memory that a training takes at most if its arrays need this many bytes."""
        most = self.limit - self.free + min(needed, self.free)
        return f"memory: at most {written(most)}" if math.isfinite(most) else f"memory: {written(needed)} for arrays"


def too_little(needed: float, limit: float, what: str) -> ConfigurationError:
    """Return the error about a limit that is too small."""
    least = f"expected training.memory of at least {written(needed)} for {what}"
    return ConfigurationError(f"{least}, got {written(limit)}; raise it, or ask for less")


def descent_bytes(points: float, parameters: float) -> float:
    """Return the bytes of a descent's step at least: without a whole Jacobian."""
    return NUMBER * FACTORS * parameters**2 + POINT * points


def largest_within(free: float) -> float:
    """Return the number of parameters whose descent takes this many bytes, without a whole Jacobian."""
    return math.sqrt(free / (NUMBER * FACTORS))


def kept_entries(free: float) -> float:
    """Return the number of entries of a Jacobian that may be kept whole."""
    return KEPT_SHARE * free / NUMBER
