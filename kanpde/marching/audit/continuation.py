"""Close a bound that holds while the error is small: if |e| ≤ δ implies |e| ≤ B with B < δ, then |e| ≤ B always."""

from __future__ import annotations

import math
from collections.abc import Callable

from kanpde.symbolic.proof.maximum_principle import NoTheorem

TRIES = 8
TINY = 1e-300
LARGEST = 1e6  # δ that is tried
HOPELESS = 1e4  # first bound of a nonlinear equation that is not mended by other cells
ROOM = 2.0  # δ of the next try, in bounds of the last one


class Amplified(NoTheorem):
    """The terms in u amplify errors so much that no other cells will help."""


def closed(
    bound: Callable[[float], tuple[float, str]], linear: bool, *, steady: bool = False
) -> tuple[float, list[str]]:
    """Return a bound B and the last lines of the proof, for `bound`: δ -> (B, a line).

    A steady state has no time during which the error could grow: there, that there is a solution has another reason.
    Raises NoTheorem if no B below its δ is found.
    """
    found, line = bound(0.0)
    if linear:
        return found, [line, f"|u − u*| ≤ {up(found)}"]
    if not found < HOPELESS:
        raise Amplified(f"the terms in u amplify errors too much: a first bound is {up(found)}")
    delta = 0.0
    for _ in range(TRIES):
        delta = ROOM * max(found, delta, TINY)
        if not delta < LARGEST:
            break
        found, line = bound(delta)
        if found < delta:
            always = f"while |u − u*| ≤ {up(delta)} it is at most {up(found)}, so it is always"
            only = f"there is one solution with |u − u*| ≤ {up(delta)}, and it is as close as {up(found)}"
            return found, [line, only if steady else always]
    raise NoTheorem(f"the terms in u amplify errors too much: a bound of {up(found)} does not confirm itself")


def up(value: float) -> str:
    """Return a number with three digits, rounded up."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    text = f"{value:.2e}"
    return text if float(text) >= value else f"{value + 10.0 ** (math.floor(math.log10(value)) - 2):.2e}"
