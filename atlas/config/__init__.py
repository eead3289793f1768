"""The settings: the only reader of the environment and of `.env` (`atlas.config.dotenv`).

`settings` is the singleton. Importing it reads nothing and never fails; the first use of a setting reads the
environment. A malformed value raises ConfigError when its setting is used; `settings.check()` raises for all of them at
once, so that a run fails at its start. While a line of `.env` is wrong, no setting can be used.

Empty means unset, since unset Actions secrets arrive as ""; one pair of surrounding quotes is stripped, since docker's
--env-file keeps them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import FunctionType, MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, model_validator

from atlas.config import dotenv
from atlas.config.definitions import Settings, cleaned, environment
from atlas.config.notify_urls import bare_url
from atlas.config.similar_names import POOL, similar_settings
from atlas.docs_pages import page
from atlas.errors import ConfigError
from atlas.hosts import is_near
from atlas.redaction import remember_environment, remember_password, remember_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

__all__ = ["Settings", "settings"]


class _Given(Settings):
    """Settings that the program sets, without the environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class _LazySettings:
    """The one Settings: read at first use, with what is wrong per setting."""

    def __init__(self) -> None:
        self._loaded: Settings | None = None
        self._wrong: dict[str, str] = {}
        self._file: dotenv.DotEnv | None = None

    def reload(self) -> None:
        """Read the environment again at the next use."""
        self._loaded = None

    def check(self) -> None:
        """Raise ConfigError that names each malformed setting and each wrong line of `.env`."""
        loaded = self._load()
        wrong = dict(self._wrong)
        try:
            _ = loaded.key_rings if self._file_problems else self.key_rings
        except ConfigError as error:
            wrong["youtube_api_key_pool_json"] = str(error)
        found = [*self._file_problems, *(wrong[name] for name in sorted(wrong))]
        if found:
            raise ConfigError(" ".join(dict.fromkeys(found)))

    @property
    def source(self) -> str | None:
        """Which `.env` is read, as a sentence; None if there is none."""
        self._load()
        if self._file is None or self._file_problems:
            return None
        return f"settings come from {self._file.path}" + ("" if self._is_here(self._file) else ", above this folder")

    @property
    def warnings(self) -> list[str]:
        """Doubtful settings that still work, a line each, without values."""
        self._load()
        found = []
        if self._file is not None:
            differ = sorted(name.upper() for name in _overruled(self._file))
            if differ:
                names = ", ".join(differ)
                found.append(f"{names}: the environment's value is used; {self._file.path} has another")
            if self._file.expanding:
                names = ", ".join(self._file.expanding)
                found.append(f"{names}: ${{…}} in {self._file.path} is not expanded; the value is taken literally")
        found += self._unencrypted()
        for name, near in sorted(self._similar_names().items()):
            meant = f": did you mean {near}?" if near else f"; {page('configuration.md')} lists them"
            found.append(f"{name} is set and is not a setting of Maia{meant}")
        return found

    def _unencrypted(self) -> list[str]:
        loaded = self._load()
        given = {
            "YOUTUBE_API_BASE_URL": (loaded.youtube_api_base_url, "the API keys"),
            "PREFECT_API_URL": (loaded.prefect_api_key and loaded.prefect_api_url, "PREFECT_API_KEY"),
        }
        return [
            f"{name} begins with http://, and its host is neither this machine nor on a private network: requests go "
            f"there unencrypted, and with them {what}. Use https://"
            for name, (url, what) in given.items()
            if url and url.startswith("http://") and not _is_near_url(url)
        ]

    @property
    def notices(self) -> list[str]:
        """What a command prints at its start: the source and the warnings."""
        return [*([self.source] if self.source else []), *self.warnings]

    @property
    def stray_keys(self) -> list[str]:
        """Names that probably hold keys, if the pool is unset."""
        return sorted(name for name, near in self._similar_names().items() if near == POOL)

    @property
    def embedded_asked_for(self) -> bool:
        """Whether ATLAS_EMBEDDED_PATH is set, so that the embedded database needs no announcement."""
        return "atlas_embedded_path" in self._load().model_fields_set

    def _similar_names(self) -> dict[str, str | None]:
        known = {name.upper() for name in Settings.model_fields}
        given = {name.upper() for name in self._load().model_fields_set | self._wrong.keys()}
        return similar_settings([*environment(), *(self._file.names if self._file else ())], known, given)

    @staticmethod
    def _is_here(file: dotenv.DotEnv) -> bool:
        with contextlib.suppress(OSError):
            return file.path.parent == Path.cwd()
        return False

    @property
    def _file_problems(self) -> list[str]:
        return self._file.problems if self._file else []

    @contextlib.contextmanager
    def override(self, **fields: Any) -> Iterator[None]:
        """Set fields for a while, for tests and for options of the command line. Raise ConfigError."""
        before, wrong = self._load(), dict(self._wrong)
        remember_environment({name: _text(value) for name, value in fields.items()})
        try:
            given = _Given(**fields)
        except ValidationError as error:
            raise ConfigError(" ".join(_explained(error).values())) from None
        try:
            self._loaded = before.model_copy(update={name: getattr(given, name) for name in fields})
            _remember(self._loaded)
            for name in fields:
                self._wrong.pop(name, None)
            yield
        finally:
            self._loaded, self._wrong = before, wrong

    def _load(self) -> Settings:
        if self._loaded is not None:
            return self._loaded
        self._wrong = {}
        self._file = dotenv.find(Settings.model_fields)
        # as written: a wrong value is in no setting, and others may show it
        remember_environment(environment())
        remember_environment({**self._file.values} if self._file else {})
        given = _from_file(self._file)
        try:
            self._loaded = Settings(**given)
        except ValidationError as error:
            self._wrong = _explained(error, self._file, given)
            # the others stay usable: `atlas status` must not fail because of a Hunter setting
            self._loaded = Settings.model_construct(**_good_values(set(self._wrong), given))
        _remember(self._loaded)
        return self._loaded

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        loaded = self._load()
        if self._file_problems and name not in _USABLE_WITHOUT_FILE:
            raise ConfigError(" ".join(self._file_problems))
        if name in self._wrong:
            raise ConfigError(self._wrong[name])
        if name in vars(loaded):  # a plain field; an agent reads some thirty per call
            return vars(loaded)[name]
        member = vars(Settings).get(name)
        if isinstance(member, property) and member.fget is not None:
            return member.fget(self)  # it raises for each wrong setting that it uses
        if isinstance(member, FunctionType):
            return MethodType(member, self)
        return getattr(loaded, name)


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


_USABLE_WITHOUT_FILE = {"maia_result_file"}  # a run that .env ends writes its result too


def _is_near_url(url: str) -> bool:
    with contextlib.suppress(ValueError):
        return is_near(urlsplit(url).hostname or "")
    return False


def _from_file(file: dotenv.DotEnv | None) -> dict[str, Any]:
    before = {name.lower() for name in environment()}
    values = file.values if file else {}
    return {name: value for name, value in values.items() if name in Settings.model_fields and name not in before}


def _overruled(file: dotenv.DotEnv) -> list[str]:
    before = {name.lower(): value for name, value in environment().items()}
    return [
        name
        for name, value in file.values.items()
        if name in Settings.model_fields and cleaned(value) and cleaned(before.get(name, value)) != cleaned(value)
    ]


def _explained(
    error: ValidationError, file: dotenv.DotEnv | None = None, given: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, str]:
    found = {}
    for problem in error.errors(include_input=False):
        name = str(problem["loc"][0])
        where = f" ({file.where(name)})" if file is not None and name in given else ""
        found[name] = _explain(name, problem["msg"], where)
    return found


def _explain(name: str, message: str, where: str) -> str:
    message = message.removeprefix("Value error, ")
    problem = message[0].lower() + message[1:]
    # without DATABASE_URL it is another database
    otherwise = "" if name == "database_url" else "; unset it for the default"
    return f"{name.upper()}: {problem}{where}. See {page('configuration.md')} for what it may be{otherwise}."


def _good_values(wrong: set[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of all settings but the wrong ones."""

    class _Partial(Settings):
        @model_validator(mode="before")
        @classmethod
        def _drop(cls, values: Any) -> Any:
            return {name: value for name, value in values.items() if name not in wrong}

    partial = _Partial(**given)
    return {name: getattr(partial, name) for name in partial.model_fields_set}


def _remember(loaded: Settings) -> None:
    """Register every secret of the settings for scrubbing."""
    for value in (loaded.hf_token, loaded.prefect_api_key, loaded.youtube_api_key_pool_json, loaded.database_url):
        if value:
            remember_secret(value.get_secret_value())
    if loaded.database_url:
        remember_password(loaded.database_url.get_secret_value())
    if loaded.vault_url:
        remember_password(loaded.vault_url)
    for entry in (loaded.notify_urls.get_secret_value() if loaded.notify_urls else "").split():
        remember_secret(bare_url(entry))
        remember_password(bare_url(entry))
    with contextlib.suppress(ConfigError):
        for key in loaded.key_rings.all_keys():
            remember_secret(key.get_secret_value())


if TYPE_CHECKING:

    class _SettingsSingleton(Settings):
        def reload(self) -> None: ...
        def check(self) -> None: ...
        @property
        def source(self) -> str | None: ...
        @property
        def warnings(self) -> list[str]: ...
        @property
        def notices(self) -> list[str]: ...
        @property
        def stray_keys(self) -> list[str]: ...
        @property
        def embedded_asked_for(self) -> bool: ...
        @contextlib.contextmanager
        def override(self, **fields: Any) -> Iterator[None]: ...


settings = cast("_SettingsSingleton", _LazySettings())
