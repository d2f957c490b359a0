"""Write a solution into files of other programs, by the ending of the file's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kanpde.errors import ConfigurationError, nearest
from kanpde.export import c_code, latex, numpy_code, tables, torch_programs, vtk
from kanpde.export.exportable import Exportable
from kanpde.export.grid import Grid, sampled

# The solution's values on a grid.
GRIDS: Mapping[str, Callable[[Path, Grid], None]] = {
    ".vtr": vtk.write_rectilinear,
    ".vtu": vtk.write_unstructured,
    ".pvd": vtk.write_series,
    ".npz": tables.write_npz,
    ".csv": tables.write_csv,
    ".nc": tables.write_netcdf,
}
# The solution as a function.
PROGRAMS: Mapping[str, Callable[[Path, Exportable], None]] = {
    ".py": numpy_code.write,
    ".c": c_code.write,
    ".tex": latex.write,
    ".onnx": torch_programs.write_onnx,
    ".pt2": torch_programs.write_pt2,
}


def export(
    solution: Exportable,
    path: str | Path,
    shape: int | Sequence[int] | Mapping[str, int] | None = None,
    times: float | Sequence[float] | None = None,
) -> None:
    """Write the solution to `path` in the format of its ending.

    .vtr, .vtu and .pvd are for ParaView, .npz, .csv and .nc are tables; they hold all fields on a grid with `shape`
    points along the coordinates (one number, one for each coordinate, or some by name) and, if `times` are given, at
    these times. .py is a function of NumPy arrays, .c one in C, .onnx and .pt2 are functions of points (n, d) for ONNX
    and torch, and .tex is the formula.

    Raises ConfigurationError for an unknown ending, a wrong shape or time, or a package that is missing.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in (*GRIDS, *PROGRAMS):
        raise ConfigurationError(f"unknown ending {ending!r} of {path}; {nearest(ending, [*GRIDS, *PROGRAMS])}")
    if not path.parent.is_dir():
        raise ConfigurationError(f"expected a folder {path.parent}, got none; make it first")
    if ending in GRIDS:
        GRIDS[ending](path, sampled(solution, shape, times))
        return
    if shape is not None or times is not None:
        raise ConfigurationError(f"expected no shape and no times for {ending}, which has no grid; leave them out")
    PROGRAMS[ending](path, solution)
