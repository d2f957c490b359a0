"""Find and load problems: a file NAME.py in the shipped folder or in ./problems is the problem NAME."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib.util
import sys
import tokenize
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kanpde.errors import KanpdeError, ProblemError, among, nearest, reason, short
from kanpde.files import relative_path, shipped
from kanpde.problem.arguments import place_in

if TYPE_CHECKING:
    from kanpde.problem.problem import Problem


def problem_folders() -> list[Path]:
    """Return the shipped folder and, if it exists and is another folder, ./problems."""
    folders, own = [shipped("problems")], Path.cwd() / "problems"
    if own.is_dir() and not own.samefile(folders[0]):
        folders.append(own)
    return folders


def discover() -> dict[str, Path]:
    """Return name -> file of every problem, sorted by name, without the names that `ambiguous` returns."""
    return {name: files[0] for name, files in _files().items() if len(files) == 1}


def ambiguous() -> dict[str, str]:
    """Return name -> error message, for every name that exists in both folders."""
    return {
        name: f"expected one file for the problem {name!r}, got {' and '.join(map(str, files))}; rename one of them"
        for name, files in _files().items()
        if len(files) > 1
    }


def _files() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in problem_folders():
        for file in folder.glob("*.py"):
            if not file.stem.startswith(("_", ".")):
                found.setdefault(file.stem, []).append(file)
    return dict(sorted(found.items()))


def candidates(name: str) -> list[Path]:
    """Return the files that have a problem's name, existing ones only."""
    return _files().get(name, [])


def find(name: str) -> Path:
    """Return the file of a problem; raise ProblemError for a name that is unknown or exists in both folders."""
    files = discover()
    if not among(name, files):
        unknown = f"expected a problem, got {name!r}; {nearest(name, files)}; yours go into ./problems"
        raise ProblemError(ambiguous().get(str(name), unknown))
    return files[name]


def load_class(name: str) -> type[Problem]:
    """Return the class of a problem; raise ProblemError if its file fails or does not define exactly one problem."""
    file = find(name)
    stamp = file.stat()
    return _load_file(name, file.resolve(), (stamp.st_mtime_ns, stamp.st_size))


@functools.lru_cache(maxsize=256)
def _load_file(name: str, file: Path, stamp: tuple[int, int]) -> type[Problem]:
    """Load a file once while it is unchanged, so that a problem has one class."""
    return _problem_class(_module(name, file), name, file)


_LOADING: set[str] = set()  # names of the modules that are being executed


def _module(name: str, file: Path) -> ModuleType:
    """Import a file by its path, without adding its folder to sys.path and without writing bytecode."""
    module_name = f"kanpde_problem_{name}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise ProblemError(f"expected a Python file, got {relative_path(file)}")
    module = importlib.util.module_from_spec(spec)
    if module_name in _LOADING:
        raise ProblemError(f"expected {relative_path(file)} to define a problem, got a file that loads itself")
    _LOADING.add(module_name)
    # Dataclasses look up their module in sys.modules.
    sys.modules[module_name] = module
    wrote_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise ProblemError(f"{relative_path(file)}{_line(error, file)}: {reason(error)}") from error
    finally:
        _LOADING.discard(module_name)
        sys.dont_write_bytecode = wrote_bytecode
    return module


def _line(error: BaseException, file: Path) -> str:
    line = error.lineno if isinstance(error, SyntaxError) else place_in(error, str(file))
    return f", line {line}" if line else ""


def _problem_class(module: ModuleType, name: str, file: Path) -> type[Problem]:
    # Imported here, so that finding and describing problems needs neither torch nor sympy.
    from kanpde.problem.declaration import snake_case
    from kanpde.problem.problem import Problem

    found = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Problem) and item.__module__ == module.__name__
    ]
    named = [item for item in found if name.lower() in (snake_case(item.__name__), item.__name__.lower())]
    if len(found) == 1 or len(named) == 1:
        return (found if len(found) == 1 else named)[0]
    wanted = f"class {camel_case(name)}(Problem)"
    if not found:
        raise ProblemError(f"{relative_path(file)}: expected a class derived from Problem, got none; write {wanted}")
    classes = ", ".join(item.__name__ for item in found)
    raise ProblemError(
        f"{relative_path(file)}: expected one class derived from Problem, got {classes}; name one {wanted}"
    )


def load_problem(name: str, /, **parameters: Any) -> Problem:
    """Return the problem with this name; `parameters` replace its defaults.

    Raises ProblemError if the name or a parameter is unknown, a value has a wrong type, or the problem is not valid.
    """
    cls = load_class(name)
    known: dict[str, dataclasses.Field[Any]] = {}
    if dataclasses.is_dataclass(cls):
        known = {f.name: f for f in dataclasses.fields(cls)}
    for key in parameters:
        if key not in known:
            hint = "" if known or not cls.__annotations__ else "; put @dataclass(frozen=True) above the class"
            raise ProblemError(f"problem {name} has no parameter {key!r}; {nearest(key, known)}{hint}")
    given = {key: _convert(name, known[key], value) for key, value in parameters.items()}
    try:
        problem = cls(**given)
    except KanpdeError:
        raise
    except (Exception, SystemExit) as error:
        raise ProblemError(f"problem {name}: {reason(error)}") from error
    # The file's name is the problem's name; object.__setattr__ works on a frozen dataclass too.
    object.__setattr__(problem, "_name", name)
    problem.check()
    return problem


def _convert(problem: str, parameter: dataclasses.Field[Any], value: Any) -> Any:
    """Convert a value to the parameter's type: 2 to 2.0 for a float, a list to a tuple for a tuple."""
    from kanpde.problem.problem import check_finite

    check_finite(problem, parameter.name, value)
    wanted = _type(parameter)
    if wanted is tuple and isinstance(value, (list, tuple)):
        return tuple(value)
    if wanted is None or type(value) is wanted:
        return value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and (wanted is float or (wanted is int and value % 1 == 0)):
        return wanted(value)
    got = f"{short(value)} of type {type(value).__name__}"
    raise ProblemError(f"parameter {parameter.name} of {problem} expected {_EXPECTED[wanted]}, got {got}")


_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", tuple: "a list"}


def _type(parameter: dataclasses.Field[Any]) -> Any:
    """Return the declared type, also under ``from __future__ import annotations``; None if it is not a basic type."""
    types = {"bool": bool, "int": int, "float": float, "str": str, "tuple": tuple}
    declared = parameter.type if isinstance(parameter.type, str) else getattr(parameter.type, "__name__", "")
    return types.get(str(declared).split("[")[0])


def describe(name: str) -> str:
    """Return the first line of the docstring of a problem's file, else of its class, without importing the file."""
    try:
        with tokenize.open(find(name)) as file:
            tree = ast.parse(file.read())
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return ""
    texts = [ast.get_docstring(tree)]
    texts += [ast.get_docstring(node) for node in tree.body if isinstance(node, ast.ClassDef)]
    return next((text.strip().splitlines()[0] for text in texts if text and text.strip()), "")


def camel_case(name: str) -> str:
    """Return the name in CamelCase: fisher_kpp gives FisherKpp."""
    return "".join(part.capitalize() for part in name.split("_"))
