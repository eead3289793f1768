"""The settings: the only reader of the environment (and of ``.env``).

``settings`` is the singleton. Importing it reads nothing and never fails; the environment is read at the first use of a
setting. A malformed value raises ConfigError when that setting is used, and names the variable, what was wrong and what
to do; ``settings.check()`` raises for all of them at once, so that a run fails at its start and not in its middle.

Empty means unset, for every setting, since unset Actions secrets arrive as ""; one pair of surrounding quotes is
stripped, since docker's --env-file keeps them.
"""

from __future__ import annotations

import contextlib
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError, model_validator

from atlas.errors import ConfigError, remember_password, remember_secret
from atlas.fields import Settings
from atlas.pages import page
from atlas.routes import bare_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

__all__ = ["Settings", "settings"]


class _Given(Settings):
    """Settings that are given by the program: the environment has no say."""

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
    """Stands for the one Settings: reads the environment at first use, and keeps what was wrong per setting."""

    def __init__(self) -> None:
        self._loaded: Settings | None = None
        self._wrong: dict[str, str] = {}

    def reload(self) -> None:
        """Forgets what was read; the next use reads the environment again."""
        self._loaded = None

    def check(self) -> None:
        """Raises ConfigError if any setting is malformed, naming each."""
        self._load()
        wrong = dict(self._wrong)
        try:
            _ = self.key_rings
        except ConfigError as error:
            wrong["youtube_api_key_pool_json"] = str(error)
        if wrong:
            raise ConfigError(" ".join(dict.fromkeys(wrong[name] for name in sorted(wrong))))

    @contextlib.contextmanager
    def override(self, **fields: Any) -> Iterator[None]:
        """Sets fields for a while, for tests and for options of the command line. Raises ConfigError."""
        before, wrong = self._load(), dict(self._wrong)
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
        try:
            self._loaded = Settings()
        except ValidationError as error:
            self._wrong = _explained(error)
            # the good ones stay usable: `atlas status` must not fail over a Hunter setting
            self._loaded = Settings.model_construct(**_good_values(set(self._wrong)))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f".env cannot be read: {error}. Mend or remove it.") from None
        _remember(self._loaded)
        return self._loaded

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        loaded = self._load()
        if name in self._wrong:
            raise ConfigError(self._wrong[name])
        if name in vars(loaded):  # a plain field, as nearly always; an agent asks some thirty times for a call
            return vars(loaded)[name]
        member = vars(Settings).get(name)
        if isinstance(member, property) and member.fget is not None:
            return member.fget(self)  # what is made of several settings fails for each that is wrong
        if isinstance(member, FunctionType):
            return MethodType(member, self)
        return getattr(loaded, name)


def _explained(error: ValidationError) -> dict[str, str]:
    return {str(e["loc"][0]): _explain(str(e["loc"][0]), e["msg"]) for e in error.errors(include_input=False)}


def _explain(name: str, message: str) -> str:
    message = message.removeprefix("Value error, ")
    problem = message[0].lower() + message[1:]
    where = page("configuration.md")
    return f"{name.upper()}: {problem}. See {where} for what it may be; unset it for the default."


def _good_values(wrong: set[str]) -> dict[str, Any]:
    """The values of all settings but the wrong ones, which get their defaults."""

    class _Partial(Settings):
        @model_validator(mode="before")
        @classmethod
        def _drop(cls, values: Any) -> Any:
            return {name: value for name, value in values.items() if name not in wrong}

    partial = _Partial()
    return {name: getattr(partial, name) for name in Settings.model_fields}


def _remember(loaded: Settings) -> None:
    """Tells the scrubber every secret that the settings hold."""
    for value in (loaded.hf_token, loaded.prefect_api_key, loaded.youtube_api_key_pool_json, loaded.database_url):
        if value:
            remember_secret(value.get_secret_value())
    if loaded.database_url:
        remember_password(loaded.database_url.get_secret_value())
    if loaded.vault_url:
        remember_password(loaded.vault_url)
    for entry in (loaded.notify_urls.get_secret_value() if loaded.notify_urls else "").split():
        remember_secret(bare_url(entry))
    with contextlib.suppress(ConfigError):
        for key in loaded.key_rings.all_keys():
            remember_secret(key.get_secret_value())


if TYPE_CHECKING:

    class _SettingsSingleton(Settings):
        def reload(self) -> None: ...
        def check(self) -> None: ...
        @contextlib.contextmanager
        def override(self, **fields: Any) -> Iterator[None]: ...


settings = cast("_SettingsSingleton", _LazySettings())
