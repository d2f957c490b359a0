"""A field: a tensor of values that looks up its partial derivatives, as a residual uses it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.errors import ProblemError, among

Lookup = Callable[[MultiIndex], Tensor]


@functools.lru_cache(maxsize=4096)
def parse_partial(word: str, names: tuple[str, ...]) -> MultiIndex | None:
    """Return the sorted axes of a partial derivative written as "xxt"; None if the word is not a partial derivative.

    Longer names are tried first: with coordinates r, th and theta, "rtheta" is (r, theta).
    """
    if not word:
        return ()
    for name in sorted(names, key=len, reverse=True):
        rest = parse_partial(word[len(name) :], names) if word.startswith(name) else None
        if rest is not None:
            return tuple(sorted((names.index(name), *rest)))
    return None


class Field:
    """``u`` in a residual: values (n,), and partials ``u.x``, ``u.xt``, ``u.d("theta", "theta")``, looked up on demand.

    ``lookup`` returns the tensor of a multi-index. Arithmetic, comparisons and torch functions act on the values; an
    attribute that is not a partial is an attribute of the tensor of values (``u.shape``, ``u.sin()``). An unknown
    partial raises ProblemError.
    """

    # Makes NumPy leave arithmetic between its arrays and a field to the field.
    __array_ufunc__ = None

    def __init__(self, name: str, domain_names: tuple[str, ...], lookup: Lookup) -> None:
        self._name, self._names, self._lookup = name, domain_names, lookup

    def d(self, *coordinates: str) -> Tensor:
        """Return the partial derivative along these coordinates, in any order; ``u.d()`` returns the values."""
        unknown = [c for c in coordinates if not among(c, self._names)]
        if unknown:
            raise ProblemError(self._no_partial(", ".join(map(repr, unknown))))
        return self._lookup(tuple(sorted(self._names.index(c) for c in coordinates)))

    def __getattr__(self, word: str) -> Any:
        if word.startswith("_"):
            # Copying and inspection look up private names before the field is initialised.
            raise AttributeError(word)
        partial = parse_partial(word, self._names)
        if partial is not None:
            return self._lookup(partial)
        if hasattr(Tensor, word):
            return getattr(self._lookup(()), word)
        if word in ("flat", "free_symbols"):  # what SymPy's functions ask of their arguments
            raise ProblemError(f"expected torch's functions of {self._name}, got one of SymPy; use torch.sin and so on")
        raise ProblemError(self._no_partial(repr(word)))

    def _no_partial(self, got: str) -> str:
        known = ", ".join(self._names)
        return f"expected a partial derivative of {self._name}, got {got}; the coordinates are {known}"

    def __repr__(self) -> str:
        return f"Field({self._name!r}, coordinates {', '.join(self._names)})"

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        return len(self._lookup(()))

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._lookup(()))

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*_values(args), **_values(kwargs or {}))


def values(item: Any) -> Any:
    """Return a field's tensor of values; return anything else unchanged."""
    return item._lookup(()) if isinstance(item, Field) else item


def _values(item: Any) -> Any:
    if isinstance(item, (tuple, list)):
        return type(item)(map(_values, item))
    if isinstance(item, dict):
        return {key: _values(value) for key, value in item.items()}
    return values(item)


def _operator(name: str) -> Callable[..., Any]:
    method = getattr(Tensor, name)

    def operate(self: Field, *others: Any) -> Any:
        return method(self._lookup(()), *_values(others))

    operate.__name__ = name
    return operate


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_OTHERS = ("neg", "pos", "abs", "eq", "ne", "lt", "le", "gt", "ge", "bool", "float", "int", "getitem")
for _word in (*_BINARY, *(f"r{word}" for word in _BINARY), *_OTHERS):
    setattr(Field, f"__{_word}__", _operator(f"__{_word}__"))


def lookup(field: Field) -> Lookup:
    """Return the function that maps a multi-index to the field's partial derivative."""
    return field._lookup
