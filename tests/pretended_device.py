"""A card that is not there: tensors on a pretended device, with their numbers in the processor's memory.

`Card` is a mode in which tensors on the device "meta" compute. Like a card it refuses operations on tensors of two
devices, except those that torch allows (copies, numbers without dimensions, indices), and tensors that are read as
arrays. It counts reads, the values that Python waits for.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("meta")
aten = torch.ops.aten
COPIES = {aten.copy_.default, aten._to_copy.default, aten.set_.source_Tensor}
# The card takes indices of the processor, and copies them.
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._unsafe_index.Tensor}
READS = {aten._local_scalar_dense.default, aten.nonzero.default, aten._unique2.default, aten.equal.default}


class OnCard(torch.Tensor):
    """A tensor that says it is on the card; `held` has its numbers."""

    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device=DEVICE
        )

    def __init__(self, held):
        self.held = held

    def __repr__(self, **words):
        return f"OnCard({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return computed(operation, args, kwargs or {})


class Mixed(RuntimeError):
    """Tensors of two devices met."""


class Made(TorchFunctionMode):
    """Tensors of numbers, arrays and lists are made on the processor; on "meta" torch would leave out their numbers."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = torch.device(kwargs.pop("device"))
            return function(*args, **kwargs).to(device)
        if function is torch.Tensor.new_tensor:
            return torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype)).to(args[0].device)
        if function in (torch.Tensor.__getitem__, torch.Tensor.__setitem__) and isinstance(args[0], OnCard):
            return function(args[0], indices(args[1]), *args[2:])
        if function is torch.Tensor.tolist:
            return function(args[0].cpu(), *args[1:])
        return function(*args, **kwargs)


def indices(given):
    """Return an index with a tensor for every list."""
    if isinstance(given, tuple):
        return tuple(map(indices, given))
    return torch.tensor(given, dtype=None if given else torch.long) if isinstance(given, list | range) else given


class Card(TorchDispatchMode):
    """The mode; `reads` counts the operations that wait for the card, by name."""

    def __init__(self):
        super().__init__()
        self.reads = Counter()
        self._made = Made()

    def __enter__(self):
        self._made.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._made.__exit__(*error)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        here = any(isinstance(leaf, OnCard) for leaf in tree_leaves((args, kwargs)))
        if here and (operation in READS or waits(operation, args, kwargs)):
            self.reads[operation.name()] += 1
        return computed(operation, args, kwargs)


def waits(operation, args, kwargs):
    """Return whether an operation waits for the card: a copy to the processor, or an index by a mask."""
    if operation is aten._to_copy.default:
        return kwargs.get("device") not in (None, DEVICE)
    return operation is aten.index.Tensor and any(each is not None and each.dtype == torch.bool for each in args[1])


def computed(operation, args, kwargs):
    """Compute an operation with the tensors' numbers; its results are where its arguments are, or where it says."""
    leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    on_card = [leaf for leaf in leaves if isinstance(leaf, OnCard)]
    where = kwargs.get("device")
    check(operation, args, leaves, on_card)
    to_card = bool(on_card) if where is None else torch.device(where) == DEVICE
    inner = {**kwargs, "device": torch.device("cpu")} if where is not None else kwargs
    unwrap = lambda tree: tree_map_only(OnCard, lambda tensor: tensor.held, tree)  # noqa: E731
    found = operation(*unwrap(args), **unwrap(inner))
    if operation is aten._to_copy.default and found is unwrap(args)[0]:
        found = found.clone()
    if not to_card or operation is aten._local_scalar_dense.default:
        return found
    wrapped = tree_map_only(torch.Tensor, OnCard, found)
    return return_and_correct_aliasing(operation, args, kwargs, wrapped) if on_card else wrapped


def check(operation, args, leaves, on_card):
    """Raise Mixed if an operation would fail on a card."""
    elsewhere = [leaf for leaf in leaves if not isinstance(leaf, OnCard)]
    if not on_card or not elsewhere or operation in COPIES:
        return
    if operation in INDEXED and isinstance(args[0], OnCard):
        elsewhere = [leaf for leaf in elsewhere if not any(leaf is index for index in args[1])]
    pointwise = torch.Tag.pointwise in operation.tags or operation in INDEXED
    if any(leaf.dim() > 0 or not pointwise for leaf in elsewhere):
        shapes = [(type(leaf).__name__, tuple(leaf.shape)) for leaf in leaves]
        raise Mixed(f"expected all tensors on the same device in {operation.name()}, got {shapes}")
