"""Write a new problem file from the shipped template."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from kanpde.errors import ConfigurationError
from kanpde.files import relative_path, shipped, write_text
from kanpde.problem import registry

_TEMPLATE = "_template.py"  # in the shipped folder of problems; its underscore hides it from the registry
# Words that the command line reads as values, so that problem=WORD would name no problem.
_VALUES = ("null", "true", "false", "nan", "inf")


def write_problem(name: str) -> Path:
    """Write ./problems/NAME.py, a commented problem that can be solved, and return its path.

    Raises ConfigurationError if the name is no plain word, or is the name of a problem or of a file.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name) or name.lower() in _VALUES:
        raise ConfigurationError(f"expected a plain word as the name of a problem, got {name!r}; choose one like rod")
    file = Path("problems") / f"{name}.py"
    taken = registry.candidates(name) or [path for path in (file,) if path.exists()]
    if taken:
        raise ConfigurationError(
            f"expected a new name, got {name!r}, which {relative_path(taken[0])} has; choose another"
        )
    text = (shipped("problems") / _TEMPLATE).read_text(encoding="utf-8")
    file.parent.mkdir(exist_ok=True)
    write_text(file, text.replace("Template", _class_name(name, text)).replace("NAME", name))
    return file


def _class_name(name: str, text: str) -> str:
    """Return the name of the problem's class, which may not be a name that the template imports."""
    camel = registry.camel_case(name)
    imported = re.findall(r"\w+", " ".join(line for line in text.splitlines() if line.startswith("from ")))
    return f"{camel}Problem" if camel in imported else camel
