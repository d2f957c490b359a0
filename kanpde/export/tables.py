"""Grids as tables: NumPy's .npz, .csv, and classic NetCDF."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from kanpde.export.grid import Grid
from kanpde.files import write_atomically


def write_npz(path: Path, grid: Grid) -> None:
    """Write the axes, the fields and the unknown constants as arrays by their names."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # opened here, because NumPy would add .npz to another name
            np.savez(file, allow_pickle=False, **grid.axes, **grid.fields, **grid.scalars)

    write_atomically(path, write)


def write_csv(path: Path, grid: Grid) -> None:
    """Write one line for each point of the domain: its coordinates, then the fields, with all digits."""
    columns = [array.ravel() for array in (*grid.points().values(), *grid.fields.values())]
    rows = np.stack(columns, axis=-1)
    inside = ~np.isnan(rows).any(axis=1)

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*grid.axes, *grid.fields])
            writer.writerows(rows[inside].tolist())

    write_atomically(path, write)


def write_netcdf(path: Path, grid: Grid) -> None:
    """Write a classic NetCDF file: the coordinates are its dimensions, the fields its variables."""
    # Imported here, because few solutions are exported so.
    from scipy.io import netcdf_file

    def write(temporary: Path) -> None:
        # Version 2 has offsets of 64 bits, for large grids.
        with netcdf_file(str(temporary), "w", version=2, mmap=False) as file:
            file.Conventions = "CF-1.8"
            for name, axis in grid.axes.items():
                file.createDimension(name, len(axis))
                file.createVariable(name, "d", (name,))[:] = axis
            for name, values in grid.fields.items():
                file.createVariable(name, "d", tuple(grid.axes))[:] = values
            for name, value in grid.scalars.items():
                file.createVariable(name, "d", ()).assignValue(value)

    write_atomically(path, write)
