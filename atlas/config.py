"""The settings: the only reader of the environment (and of ``.env``).

``settings`` is the singleton. Importing it reads nothing and never fails; the environment is read at the first use of a
setting. A malformed value raises ConfigError when that setting is used, and names the variable, what was wrong and what
to do; ``settings.check()`` raises for all of them at once, so that a run fails at its start and not in its middle.

Empty means unset, for every setting, since unset Actions secrets arrive as ""; one pair of surrounding quotes is
stripped, since docker's --env-file keeps them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from atlas.clocks import Clock
from atlas.errors import ConfigError, remember_secret
from atlas.keypool import KeyPool

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Settings", "settings"]


def _user_data() -> Path:
    """The user's data folder, by the XDG convention."""
    import os  # noqa: PLC0415  this module is the one reader of the environment

    base = os.environ.get("XDG_DATA_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "share") / "pleiades"
    except RuntimeError:  # a container's user without a home
        return Path(".pleiades")


Vault = Literal["local", "huggingface", "off"]


def _vault_default() -> Vault:
    """`local`; in the image `off`, since a container has no disk that lasts, and an empty VAULT_PROVIDER is unset."""
    import os  # noqa: PLC0415

    return "off" if os.environ.get("ATLAS_VAULT_DEFAULT") == "off" else "local"


Count = Annotated[int, Field(ge=1)]
Share = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=1)]


class Settings(BaseSettings):
    """Every setting, named as in the environment (lower case). See docs/configuration.md."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: SecretStr | None = Field(None, description="PostgreSQL 15 or newer; unset: the embedded PostgreSQL")
    atlas_embedded_path: Path = Field(
        default_factory=lambda: _user_data() / "postgres", description="Data folder of the embedded PostgreSQL"
    )
    database_pool_size: Count = Field(4, description="Most connections that one process opens")

    youtube_api_key_pool_json: SecretStr | None = Field(
        None, description='{"hunting": […], "tracking": […], "archeology": […]}, or a list that is dealt out'
    )
    key_pool_archeology_size: Share = Field(1, description="Of a list, the last so many keys go to archeology")
    key_pool_tracking_size: Share = Field(1, description="Of a list, the so many keys before them go to tracking")
    youtube_api_base_url: str = Field("https://www.googleapis.com/youtube/v3", description="Where the API is")
    youtube_concurrency: Count = Field(32, description="Most API calls in flight in one process")
    quota_search_per_day: Share = Field(
        100, description="Search calls a day and key that plans and reports reckon with"
    )
    quota_units_per_day: Share = Field(10_000, description="Units a day and key that plans and reports reckon with")
    quota_batch_per_day: Share = Field(
        10_000, description="batchGetStats calls a day and key that plans and reports reckon with"
    )

    vault_provider: Vault = Field(default_factory=_vault_default, description="Where the cold archive is")
    vault_path: Path = Field(default_factory=lambda: _user_data() / "vault", description="Folder of the local archive")
    hf_dataset_id: str | None = Field(None, description="Hugging Face dataset of the archive, such as me/maia-archive")
    hf_token: SecretStr | None = Field(None, description="Hugging Face token that may write to it")

    hunter_batch_size: Count = Field(10, description="Queries of one cycle")
    hunter_published_within_hours: Annotated[float, Field(gt=0)] = Field(
        24, description="Only videos published in this window before the search"
    )
    hunter_max_searches_per_run: Count | None = Field(None, description="Most searches of one process; unset: no cap")
    hunter_region: Annotated[str, Field(pattern="^[A-Za-z]{2}$")] | None = Field(
        None, description="ISO 3166-1 country whose viewers can see the results, such as US"
    )
    hunter_language: str | None = Field(None, description="Language that results are relevant to, such as en")
    hunter_safe_search: Literal["none", "moderate", "strict"] | None = Field(None, description="YouTube's safe search")
    hunter_category: Share | None = Field(None, description="Only this YouTube category, such as 28")
    hunter_tag_allow: str | None = Field(None, description="Regular expression: only tags that hold it are queued")
    hunter_tag_deny: str | None = Field(None, description="Regular expression: tags that hold it are not queued")
    hunter_tags_per_video: Share = Field(10, description="Most tags of one video that are queued; 0 stops the Snowball")
    hunter_new_queries_per_search: Share = Field(20, description="Most new queries that one search may add")
    hunter_max_queue: Share = Field(50_000, description="No tag is queued beyond so many queries")
    hunter_lease_seconds: Seconds = Field(600, description="How long a claimed query is held")

    tracker_batch_size: Count = Field(50, description="Videos of one cycle")
    tracker_lease_seconds: Seconds = Field(300, description="How long a claimed video is held")

    atlas_clock: str = Field("real", description="The schedule clock: real, or a faster one for demos and simulations")
    notify_urls: SecretStr | None = Field(None, description="Apprise URLs, space-separated")
    prefect_api_url: str | None = Field(None, description="A Prefect server that runs are reported to")
    prefect_api_key: SecretStr | None = Field(None, description="Its key")
    maia_result_file: Path | None = Field(None, description="Where the result file is written")
    maia_run_id: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="The workflow run that this process is part of"
    )
    maia_wave: Annotated[int, Field(ge=1, le=32_767)] | None = Field(None, description="The wave of that run, from 1")

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        cleaned = {}
        for name, value in values.items():
            kept = value
            if isinstance(kept, str):
                kept = kept.strip()
                if len(kept) > 1 and kept[0] == kept[-1] and kept[0] in "'\"":
                    kept = kept[1:-1].strip()
                if not kept:
                    continue
            cleaned[name] = kept
        return cleaned

    @field_validator("atlas_clock")
    @classmethod
    def _clock(cls, value: str) -> str:
        try:
            Clock.parse(value)
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("ATLAS_CLOCK: ")) from None
        return value

    @field_validator("hunter_tag_allow", "hunter_tag_deny")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        import re  # noqa: PLC0415

        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"it is no regular expression ({error})") from None
        return value

    @field_validator("youtube_api_base_url", "prefect_api_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://")
        return value.rstrip("/") if value else value

    @field_validator("database_url")
    @classmethod
    def _dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("it must be a URL such as postgresql://user:password@host:5432/database")
        return value

    @property
    def key_rings(self) -> KeyPool:
        """The rings of the key pool. Raises ConfigError naming YOUTUBE_API_KEY_POOL_JSON."""
        raw = self.youtube_api_key_pool_json
        return KeyPool.parse(
            raw.get_secret_value() if raw else None,
            tracking_size=self.key_pool_tracking_size,
            archeology_size=self.key_pool_archeology_size,
        )

    def quota_per_day(self, bucket: str) -> int:
        """The calls a day and key that plans and reports reckon with for a bucket."""
        return {
            "search": self.quota_search_per_day,
            "units": self.quota_units_per_day,
            "batchGetStats": self.quota_batch_per_day,
        }[bucket]


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
    return f"{name.upper()}: {problem}. See docs/configuration.md for what it may be; unset it for the default."


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
        with contextlib.suppress(ValueError):
            password = urlsplit(loaded.database_url.get_secret_value()).password or ""
            remember_secret(password)
            remember_secret(unquote(password))
    for url in (loaded.notify_urls.get_secret_value() if loaded.notify_urls else "").split():
        remember_secret(url)
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
