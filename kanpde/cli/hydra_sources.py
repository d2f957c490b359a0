"""The sources of Hydra's settings: the problem files, the shipped conf/ and the user's conf/."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

from hydra._internal.callbacks import Callbacks
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from kanpde.errors import ConfigurationError
from kanpde.files import shipped
from kanpde.problem import registry

# Parts of a problem that an annotation turns into dataclass fields although they are not parameters.
DECLARATIONS = ("domain", "fields", "unknowns", "parts", "coefficients")


class SearchPath(SearchPathPlugin):
    """The search path of settings: first the problem files, then the shipped conf/, then the user's conf/."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        ProblemSource.latest_path = search_path
        search_path.prepend(provider="kanpde", path=f"{ProblemSource.scheme()}://")
        own, ours = Path("conf").resolve(), shipped("conf").resolve()
        if own.is_dir() and own != ours:
            for file in sorted(own.rglob("*.yaml")):
                # Hydra would ignore the user's file silently.
                if (ours / file.relative_to(own)).exists():
                    raise ConfigurationError(f"expected new names in ./conf, got {file}, which kanpde ships; rename it")
            search_path.append(provider="user", path=f"file://{own}")


class ProblemSource(ConfigSource):
    """The group ``problem``: every problem file is an option, and its dataclass fields are the settings.

    A file ``problem/NAME.yaml`` on the search path changes the defaults of NAME; with ``name: OTHER`` in it, it is a
    preset of the problem OTHER.
    """

    # A reference to Hydra's own path, because Hydra adds the folder of --config-dir after it has called the plugins.
    latest_path: ClassVar[ConfigSearchPath]

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        self.search_path = self.latest_path  # goes with the source into a launcher's process

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
    """Return the default values of a problem's parameters that YAML can represent; "???" if a value is required."""
    found: dict[str, Any] = {}
    for field in fields(problem) if is_dataclass(problem) else ():
        value: Any = field.default_factory() if field.default_factory is not MISSING else field.default
        value = "???" if value is MISSING else list(value) if isinstance(value, tuple) else value
        if field.name not in DECLARATIONS and (value is None or isinstance(value, (bool, int, float, str, list, dict))):
            found[field.name] = value
    return found


class NoCallbacks(Callbacks):
    """Hydra's callbacks, refused: a setting could name any function, which Hydra would then call."""

    def __init__(self, config: DictConfig | None = None) -> None:
        if config is not None and OmegaConf.select(config, "hydra.callbacks"):
            raise ConfigurationError("expected no hydra.callbacks, got some; kanpde calls nothing that a setting names")
        super().__init__(None)
