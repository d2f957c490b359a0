"""Numberings of the unknowns of a tensor product: that in which JᵀJ has the narrowest band, or is a dense matrix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kanpde.marching.linearisation import Numbered
from kanpde.marching.piece import Piece
from kanpde.marching.tensor_product import Local, TensorProduct
from kanpde.optim.band import MAX_BAND_SHARE, Storage

FEW = 300  # unknowns up to which a dense matrix costs less than the search for a narrow band


def narrowest(
    space: TensorProduct, pieces: Sequence[Piece], fields: int, constants: int, device: torch.device
) -> Numbered:
    """Return the numbering of the unknowns of these blocks with the narrowest band."""
    longest = space.axes[space.longest]
    # A row has all functions at a point of the longest axis, each with those of the other axes.
    if space.size * fields <= FEW or longest.degree >= MAX_BAND_SHARE * longest.size:
        return dense(space, fields, constants, device)
    options = []
    for positions in space.numberings(fields):
        positions = tuple(each.to(device) for each in positions)
        numbering = numbering_of(positions, fields)
        slack = len(numbering) // space.shape[space.longest]
        along = positions[space.longest]
        reach = max(reach_of(piece, numbering, space.longest, along, slack, fields) for piece in pieces)
        options.append((reach, Numbered(Storage.of(numbering, reach, slack, constants), positions)))
    found = min(options, key=lambda option: option[0])[1]
    return dense(space, fields, constants, device) if found.storage.bandwidth is None else found


def dense(space: TensorProduct, fields: int, constants: int, device: torch.device) -> Numbered:
    """Return the numbering in which the index of the longest axis varies slowest, and the storage of a dense matrix.

    Of pairs of unknowns, sums along the axes have those in order of the longest axis: they are in the lower triangle.
    """
    positions = tuple(each.to(device) for each in next(space.numberings(fields)))
    return Numbered(Storage(numbering_of(positions, fields), border=constants), positions)


def numbering_of(positions: Sequence[Tensor], fields: int) -> Tensor:
    """Return the numbers (P fields,) of the unknowns from the positions of their indices along the axes."""
    total = positions[0].new_zeros((1,) * len(positions), dtype=torch.long)
    for a, each in enumerate(positions):
        total = total + each.view([-1 if a == b else 1 for b in range(len(positions))])
    return (total.reshape(-1, 1) + torch.arange(fields, device=total.device)).reshape(-1)


def reach_of(piece: Piece, numbering: Tensor, longest: int, along: Tensor, stride: int, fields: int) -> int:
    """Return a bound on the distance of the unknowns in one row, with `along` the positions of the `longest` axis."""
    if piece.placed.sums is not None:  # an integral's row has all unknowns
        return len(numbering)
    if not piece.on_grids:
        places = numbering[columns_of(piece, fields)]
        return int((places.amax(1) - places.amin(1)).max())
    widths = []
    for parts in zip(*(image.parts for image in piece.images), strict=True):
        columns = [part.lines[longest].columns for part in parts if not isinstance(part, Local)]
        places = along[torch.cat(columns, dim=1)]
        widths.append(int((places.amax(1) - places.amin(1)).max()))
    return max(widths) + stride - 1


def columns_of(piece: Piece, fields: int) -> Tensor:
    """Return the numbers (n, m) of the unknowns that the block's rows touch."""
    numbers = fields_in(piece)
    return torch.cat([(image.local.columns[:, :, None] * fields + numbers).flatten(1) for image in piece.images], dim=1)


def fields_in(piece: Piece) -> Tensor:
    """Return the numbers (f,) of the fields that occur in a block."""
    return torch.tensor(sorted(piece.placed.block.partials), device=piece.weights.device)
