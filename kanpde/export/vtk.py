"""Grids for ParaView: VTK's XML files of rectilinear and unstructured grids, and a series of times.

Arrays are base64 of little-endian numbers after their length in bytes, so that no digit is lost. VTK has three axes: up
to three coordinates, time included, are axes in their order; four are written at one time, or as a series.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.errors import ConfigurationError
from kanpde.export.grid import Grid
from kanpde.files import write_text

_TYPES = {"f": ("Float64", "<f8"), "i": ("Int64", "<i8"), "u": ("UInt8", "<u1")}
# By the number of axes: VTK's number of a cell's shape, and the offsets of its corners in VTK's order.
_CELLS: Mapping[int, tuple[int, Sequence[tuple[int, ...]]]] = {
    1: (3, [(0,), (1,)]),
    2: (9, [(0, 0), (1, 0), (1, 1), (0, 1)]),
    3: (12, [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]),
}


def write_rectilinear(path: Path, grid: Grid) -> None:
    """Write a .vtr file; values outside the domain are NaN."""
    grid = _in_space(grid, path)
    axes = [*grid.axes.values(), *[np.zeros(1)] * (3 - len(grid.axes))]
    names = [*grid.axes, *("_", "__")][:3]
    extent = " ".join(f"0 {len(axis) - 1}" for axis in axes)
    fields = "".join(_array(name, values.ravel(order="F")) for name, values in grid.fields.items())
    coordinates = "".join(_array(name, axis) for name, axis in zip(names, axes, strict=True))
    piece = (
        f'<RectilinearGrid WholeExtent="{extent}">\n<Piece Extent="{extent}">\n<PointData>\n{fields}</PointData>\n'
        f"<Coordinates>\n{coordinates}</Coordinates>\n</Piece>\n</RectilinearGrid>\n"
    )
    _write(path, "RectilinearGrid", piece)


def write_unstructured(path: Path, grid: Grid) -> None:
    """Write a .vtu file of the cells whose corners all lie in the domain."""
    grid = _in_space(grid, path)
    dimension = len(grid.axes)
    kind, corners = _CELLS[dimension]
    inside = ~np.isnan(np.stack(list(grid.fields.values()))).any(axis=0)
    numbers = np.arange(inside.size).reshape(grid.shape)

    def corner(values: Array | Any, offset: tuple[int, ...]) -> Any:
        return values[tuple(slice(o, n - 1 + o) for o, n in zip(offset, grid.shape, strict=True))]

    whole = np.all([corner(inside, offset) for offset in corners], axis=0)
    cells = np.stack([corner(numbers, offset)[whole] for offset in corners], axis=-1)
    kept, local = np.unique(cells, return_inverse=True)
    points = np.zeros((len(kept), 3))
    points[:, :dimension] = np.stack([p.ravel()[kept] for p in grid.points().values()], axis=-1)
    fields = "".join(_array(name, values.ravel()[kept]) for name, values in grid.fields.items())
    ends = np.arange(1, len(cells) + 1) * len(corners)
    piece = (
        f'<UnstructuredGrid>\n<Piece NumberOfPoints="{len(kept)}" NumberOfCells="{len(cells)}">\n'
        f"<PointData>\n{fields}</PointData>\n<Points>\n{_array('points', points)}</Points>\n<Cells>\n"
        f"{_array('connectivity', local.reshape(-1))}{_array('offsets', ends)}"
        f"{_array('types', np.full(len(cells), kind, dtype=np.uint8))}</Cells>\n</Piece>\n</UnstructuredGrid>\n"
    )
    _write(path, "UnstructuredGrid", piece)


def write_series(path: Path, grid: Grid) -> None:
    """Write a .pvd file, the list of the times, and one .vtr file for each time beside it."""
    if "t" not in grid.axes:
        raise ConfigurationError(f"expected a coordinate t for .pvd, got {', '.join(grid.axes)}; use .vtr")
    if len(grid.axes) == 1:
        raise ConfigurationError("expected a coordinate in space for .pvd, got t alone; use .csv")
    sets = ""
    for index, time in enumerate(grid.axes["t"]):
        file = path.with_name(f"{path.stem}_{index:04d}.vtr")
        write_rectilinear(file, grid.at_time(index))
        sets += f'<DataSet timestep="{float(time)!r}" part="0" file="{_escaped(file.name)}"/>\n'
    _write(path, "Collection", f"<Collection>\n{sets}</Collection>\n")


def _in_space(grid: Grid, path: Path) -> Grid:
    """Return a grid of at most three axes; a single time is no axis unless it is the only one."""
    if "t" in grid.axes and len(grid.axes["t"]) == 1 and len(grid.axes) > 1:
        grid = grid.at_time(0)
    if len(grid.axes) > 3:
        hint = "give times=[...] with one time, or the ending .pvd" if "t" in grid.axes else "use .npz or .nc"
        known = ", ".join(grid.axes)
        raise ConfigurationError(f"expected at most three coordinates for {path.suffix}, got {known}; {hint}")
    return grid


def _array(name: str, values: Any) -> str:
    """Return the XML of an array; the components of a matrix are its columns."""
    word, kind = _TYPES[values.dtype.kind]
    data = np.ascontiguousarray(values, dtype=kind).tobytes()
    text = base64.b64encode(np.uint64(len(data)).astype("<u8").tobytes() + data).decode("ascii")
    components = f' NumberOfComponents="{values.shape[1]}"' if values.ndim > 1 else ""
    return f'<DataArray type="{word}" Name="{_escaped(name)}"{components} format="binary">{text}</DataArray>\n'


def _escaped(text: str) -> str:
    for letter, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(letter, code)
    return text


def _write(path: Path, kind: str, content: str) -> None:
    head = '<?xml version="1.0"?>\n'
    write_text(
        path,
        f'{head}<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
        f"{content}</VTKFile>\n",
    )
