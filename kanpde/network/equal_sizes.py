"""Networks of different kinds with nearly equal numbers of parameters."""

from __future__ import annotations

from collections.abc import Callable

from kanpde.errors import ConfigurationError, nearest
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP

Network = KAN | MLP
Count = Callable[[Network], int]  # returns the number of parameters of an unbuilt network, once it is built

KINDS = ("kan", "mlp", "fourier_mlp")
INTERVALS = range(4, 11)  # of a KAN; the middle is preferred
UNUSUAL = 0.01  # each interval more or less than the middle counts like this share of the parameters
FREQUENCIES = 8  # of a perceptron of Fourier features
WIDEST = 512  # nodes of a layer


def equal_network(kind: str, parameters: int, count: Count, degree: int | None = None) -> Network:
    """Return an unbuilt network of this kind whose number of parameters is as near as possible to the given one.

    A KAN has one hidden layer of sum nodes and splines of this degree, a perceptron has two hidden layers. Raises
    ConfigurationError for an unknown kind.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"unknown network {kind!r} of a comparison; {nearest(str(kind), KINDS)}")
    if kind == "kan":
        return equal_kan(parameters, count, degree)
    return equal_mlp(parameters, count, FREQUENCIES if kind == "fourier_mlp" else None)


def equal_kan(parameters: int, count: Count, degree: int | None = None) -> KAN:
    """Return the KAN."""
    middle = INTERVALS[len(INTERVALS) // 2]

    def distance(network: KAN) -> float:
        assert isinstance(network.intervals, int)
        return abs(count(network) / parameters - 1) + UNUSUAL * abs(network.intervals - middle)

    def made(nodes: int, intervals: int) -> KAN:
        return KAN([nodes], degree, intervals)

    found = []
    for intervals in INTERVALS:
        one, two = (count(made(nodes, intervals)) for nodes in (1, 2))  # every further node adds as many
        nodes = 1 + round((parameters - one) / (two - one))
        found.append(made(min(max(nodes, 1), WIDEST), intervals))
    return min(found, key=distance)


def equal_mlp(parameters: int, count: Count, frequencies: int | None = None) -> MLP:
    """Return the perceptron, whose second hidden layer may be a little wider or narrower than the first.

    Its frequencies, if it has any, are not trained and do not count.
    """
    nodes = nearest_width(lambda nodes: MLP([nodes, nodes], frequencies=frequencies), parameters, count)
    shapes = [(nodes + a, nodes + b) for a in (-1, 0, 1) for b in (-2, -1, 0, 1, 2) if min(nodes + a, nodes + b) > 0]
    candidates = [MLP(list(shape), frequencies=frequencies) for shape in shapes]
    return min(candidates, key=lambda network: abs(count(network) - parameters))


def nearest_width(made: Callable[[int], Network], parameters: int, count: Count) -> int:
    """Return the number of nodes with which a network has nearest to so many parameters, by bisection."""
    low, high = 1, WIDEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(made(middle)) <= parameters else (low, middle)
    return min((low, high), key=lambda nodes: abs(count(made(nodes)) - parameters))
