"""Columns of numbers in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.errors import ConfigurationError, cut, nearest

DELIMITERS = ",;\t|"


def read_columns(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the columns of numbers by name, (n,) each, and the first entry of every column of other things.

    The first line names the columns; they are separated by commas, semicolons, tabs or bars. A column is one of numbers
    if its first entry is. Raises ConfigurationError if the file is missing, empty or ragged, if two columns have one
    name, or if a number is missing.
    """
    names, rows = lines_of(path)
    columns: dict[str, Array] = {}
    others: dict[str, str] = {}
    for place, name in enumerate(names):
        entries = [row[place] for row in rows]
        if is_number(entries[0]):
            columns[name] = numbers_of(entries, name, path)
        else:
            others[name] = entries[0]
    return columns, others


def lines_of(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, and the entries of every line that is not blank."""
    if not path.is_file():
        raise ConfigurationError(f"expected a CSV file at {path}, got none; check the path")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"expected text in UTF-8 at {path}, got other bytes; save it as CSV") from None
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    rows = [[entry.strip() for entry in row] for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
    if len(rows) < 2:
        raise ConfigurationError(f"expected a line of names and lines of numbers in {path}, got {len(rows)} lines")
    names, rows = rows[0], rows[1:]
    if all(map(is_number, names)):
        raise ConfigurationError(f"expected names in the first line of {path}, got numbers; write a line such as x,y")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigurationError(f"expected different names of columns in {path}, got {twice!r} twice; rename one")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise ConfigurationError(
                f"expected {len(names)} entries in line {number} of {path}, got {len(row)}; complete the line"
            )
    return names, rows


def numbers_of(entries: Sequence[str], name: str, path: Path) -> Array:
    """Return the entries of a column as numbers; raise ConfigurationError for the first that is none."""
    for number, entry in enumerate(entries, start=2):
        if not is_number(entry):
            raise ConfigurationError(
                f"expected a finite number in column {name!r}, line {number} of {path}, got {entry!r}; "
                "complete or remove the line"
            )
    return np.array([float(entry) for entry in entries])


def is_number(entry: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return bool(np.isfinite(float(entry)))
    except ValueError:
        return False


def inputs_and_targets(
    columns: Mapping[str, Array], others: Mapping[str, str], targets: Sequence[str], path: Path
) -> tuple[list[str], list[str]]:
    """Return the names of the inputs and of the targets; raise ConfigurationError if there are none of either."""
    if not targets:
        raise ConfigurationError(
            f"expected target=NAME, one of the columns {', '.join(columns)} of {path}, got none; "
            f"give target={[*columns, 'NAME'][-1]}"
        )
    for target in targets:
        if target in others:
            raise ConfigurationError(
                f"expected numbers such as 0.5 in the target {target!r} of {path}, got {cut(others[target], 40)!r}; "
                "write numbers with a point and without separators, or use KANClassifier for classes"
            )
        if target not in columns:
            raise ConfigurationError(f"unknown target {target!r} in {path}; {nearest(target, columns)}")
    inputs = [name for name in columns if name not in targets]
    if not inputs:
        words = [f"column {name!r} begins with {cut(entry, 40)!r}" for name, entry in others.items()]
        got = ", ".join(words) or "none"
        raise ConfigurationError(f"expected a numeric column beside {', '.join(targets)} in {path}, got {got}; add one")
    return inputs, list(targets)
