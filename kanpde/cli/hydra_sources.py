"""Where Hydra finds settings: in the problem files, in what is shipped, in the user's own conf/."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from kanpde.errors import ConfigurationError
from kanpde.files import shipped
from kanpde.problem import registry

# Parts of a problem that an annotation makes dataclass fields, though they are no parameters.
DECLARATIONS = ("domain", "fields", "unknowns")


class SearchPath(SearchPathPlugin):
    """Where settings are looked for: the problem files first, then what is shipped, then the user's own conf/."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        ProblemSource.search_path = search_path
        search_path.prepend(provider="kanpde", path=f"{ProblemSource.scheme()}://")
        own, ours = Path("conf").resolve(), shipped("conf").resolve()
        if own.is_dir() and own != ours:
            for file in sorted(own.rglob("*.yaml")):
                # Hydra would pass over the user's file without a word.
                if (ours / file.relative_to(own)).exists():
                    raise ConfigurationError(f"expected new names in ./conf, got {file}, which kanpde ships; rename it")
            search_path.append(provider="user", path=f"file://{own}")


class ProblemSource(ConfigSource):
    """The group ``problem``: every problem file is an option, its dataclass fields the settings.

    A ``problem/NAME.yaml`` on the search path changes their defaults; one with ``name: OTHER`` in it is a preset of the
    problem OTHER.
    """

    # Kept whole, for Hydra adds the folder of --config-dir after the plugins have had their say.
    search_path: ClassVar[ConfigSearchPath]

    @staticmethod
    def scheme() -> str:
        return "problems"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", "problem")

    def is_config(self, config_path: str) -> bool:
        group, _, name = config_path.rpartition("/")
        known = (*registry.discover(), *registry.ambiguous())
        return group == "problem" and (name in known or self._file(name) is not None)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else ["problem"]
        return [] if results_filter == ObjectType.GROUP else sorted(registry.discover())

    def load_config(self, config_path: str) -> ConfigResult:
        name = config_path.rpartition("/")[2]
        file = self._file(name)
        changes = OmegaConf.load(file) if file else OmegaConf.create({})
        if not isinstance(changes, DictConfig):
            raise ConfigurationError(f"expected KEY: VALUE lines in {file}, got {type(changes).__name__}")
        name = changes.get("name", name)
        parameters: dict[str, Any] = {"name": name, **defaults(registry.load_class(name))}
        config = OmegaConf.merge(OmegaConf.create(parameters), changes)
        header = self._get_header_dict(file.read_text(encoding="utf-8") if file else "")
        return ConfigResult(provider=self.provider, path=self.full_path(), config=config, header=header)

    def _file(self, name: str) -> Path | None:
        folders = (
            Path(element.path.removeprefix("file://"))
            for element in self.search_path.get_path()
            if element.path and "://" not in element.path.removeprefix("file://")
        )
        return next((file for folder in folders if (file := folder / "problem" / f"{name}.yaml").is_file()), None)


def defaults(problem: type) -> dict[str, Any]:
    """A problem's parameters as far as they can be written in YAML; one without a default must be given."""
    found: dict[str, Any] = {}
    for field in fields(problem) if is_dataclass(problem) else ():
        value: Any = field.default_factory() if field.default_factory is not MISSING else field.default
        value = "???" if value is MISSING else list(value) if isinstance(value, tuple) else value
        if field.name not in DECLARATIONS and (value is None or isinstance(value, (bool, int, float, str, list, dict))):
            found[field.name] = value
    return found
