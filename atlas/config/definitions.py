"""Every setting with its meaning, its default and its allowed values. Read them from `atlas.config.settings`.

The descriptions are what users read in docs/configuration.md; `make docs` writes them there.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from atlas.config import iso_codes, notify_urls
from atlas.config.database_url import check_url
from atlas.config.dotenv import Quoted
from atlas.config.keypool import KeyPool
from atlas.errors import ConfigError
from atlas.schedule_clock import Clock

__all__ = ["Settings", "cleaned", "environment", "in_image"]


def _user_data() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "share") / "pleiades"
    except RuntimeError:  # a container's user without a home
        return Path(".pleiades")


class _Unmatched(str):
    """A value that begins or ends with a quote which has no counterpart."""

    __slots__ = ()


_QUOTES = "'\""
_TYPOGRAPHIC = "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"


def cleaned(value: str) -> str:
    """Return a value without surrounding blanks and one pair of quotes; empty means unset."""
    text = value.strip()
    if isinstance(value, Quoted):  # its quotes are gone
        return text
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        return text[1:-1].strip()
    ends = {text[:1], text[-1:]} & set(_QUOTES)
    return _Unmatched(text) if any(text.count(quote) % 2 for quote in ends) else text


def environment() -> dict[str, str]:
    """Return the variables that the environment sets; empty means unset."""
    return {name: value for name, value in os.environ.items() if cleaned(value)}


def in_image() -> bool:
    """Return whether Maia runs in its image, whose Dockerfile sets this variable."""
    return os.environ.get("ATLAS_VAULT_DEFAULT") == "off"


Vault = Literal["local", "huggingface", "fsspec", "off"]


def _vault_default() -> Vault:
    """Return `local`; in the image `off`, since a container has no disk that lasts."""
    return "off" if in_image() else "local"


# upper bounds of PostgreSQL's integer and of the calendar: a larger value would fail in mid-run
_MOST = 2**31 - 1
_CENTURY = 36_500  # days
Count = Annotated[int, Field(ge=1, le=_MOST)]
Share = Annotated[int, Field(ge=0, le=_MOST)]
Seconds = Annotated[float, Field(ge=1, le=604_800)]  # at most a week


class Settings(BaseSettings):
    """Every setting, named as in the environment (lower case). See docs/configuration.md."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        None, description="Address of a PostgreSQL server, version 15 or newer; unset: the embedded PostgreSQL"
    )
    atlas_embedded_path: Path = Field(
        default_factory=lambda: _user_data() / "postgres", description="Data folder of the embedded PostgreSQL"
    )
    database_schema: Annotated[str, Field(pattern="^[a-z_][a-z0-9_]{0,62}$")] = Field(
        "public", description="Schema of Atlas's tables, for a database that others use too"
    )
    database_chunk_days: Annotated[int, Field(ge=1, le=366)] = Field(
        7, description="Days of snapshots in one chunk or partition"
    )
    database_pool_size: Annotated[int, Field(ge=1, le=1_000)] = Field(
        4, description="Most database connections of one process"
    )

    youtube_api_key_pool_json: SecretStr | None = Field(
        None,
        description='Keys by ring: `{"hunting": […], "tracking": […], "archeology": […]}`, or a plain list',
    )
    key_pool_archeology_size: Share = Field(
        1, description="With a plain list of keys: how many are reserved for archeology, from its end"
    )
    key_pool_tracking_size: Share = Field(
        1, description="With a plain list of keys: how many are reserved for tracking, before those of archeology"
    )
    youtube_api_base_url: str = Field("https://www.googleapis.com/youtube/v3", description="Address of the YouTube API")
    youtube_concurrency: Count = Field(32, description="Most API calls in flight in one process")
    quota_search_per_day: Share = Field(100, description="Search calls per key and day that plans and reports assume")
    quota_units_per_day: Share = Field(10_000, description="Units per key and day that plans and reports assume")
    quota_batch_per_day: Share = Field(
        10_000, description="batchGetStats calls per key and day that plans and reports assume"
    )

    vault_provider: Vault = Field(
        default_factory=_vault_default,
        description="Where the archive is stored: `local`, `huggingface`, `fsspec`, or `off` for no archive",
    )
    vault_path: Path = Field(default_factory=lambda: _user_data() / "vault", description="Folder of the local archive")
    vault_url: str | None = Field(
        None,
        description="Address of the archive for `fsspec`, such as `s3://bucket/archive` or `file:///mnt/archive`",
    )
    vault_layout: Literal["files", "packed"] = Field(
        "files", description="How records are stored: `files`, one file each, or `packed`, one part per flush"
    )
    hf_dataset_id: str | None = Field(
        None, description="Hugging Face dataset of the archive, such as `me/maia-archive`"
    )
    hf_token: SecretStr | None = Field(None, description="Hugging Face token with write access to the dataset")

    hf_dataset_private: bool = Field(True, description="Whether a dataset that Atlas creates is private")

    youtube_audited: bool = Field(
        False,
        description="Declare that YouTube has audited and accepted this client: it may keep statistics for 36 months",
    )
    retention_statistics_days: Annotated[int, Field(ge=1, le=1096)] = Field(
        30, description="Days to keep snapshots; more than 30 only with `YOUTUBE_AUDITED`"
    )
    retention_metadata_days: Annotated[int, Field(ge=1, le=30)] = Field(
        30, description="Days to keep metadata that was not read again, in the database and the archive"
    )
    retention_retired_days: Annotated[int, Field(ge=0, le=_CENTURY)] = Field(
        7, description="Days to keep a video after it is gone from YouTube"
    )
    retention_events_days: Annotated[int, Field(ge=1, le=_CENTURY)] = Field(
        30, description="Days to keep events, runs and counts of calls"
    )
    janitor_batch_size: Count = Field(5_000, description="Rows that one transaction of the Janitor deletes")
    janitor_max_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="Largest share of a table, or of the archive, that the Janitor deletes without `--yes`"
    )

    hunter_batch_size: Count = Field(10, description="Queries per cycle")
    hunter_published_within_hours: Annotated[float, Field(gt=0, le=24 * _CENTURY)] = Field(
        24, description="Search only for videos published within this many hours"
    )
    hunter_index_lag_minutes: Annotated[float, Field(ge=0, le=10_080)] = Field(
        60, description="Overlap of a round with the one before, for videos that YouTube lists late"
    )
    hunter_max_pages_per_round: Count = Field(
        20, description="Most pages of one round of a query; the rest becomes a `search_gap` event"
    )
    hunter_max_searches_per_run: Count | None = Field(None, description="Most searches of one process; unset: no limit")
    hunter_region: str | None = Field(
        None, description="Only videos that viewers in this country can watch: ISO 3166-1 code such as `US` or `GB`"
    )
    hunter_language: str | None = Field(
        None, description="Prefer videos relevant to this language: ISO 639-1 code such as `en`, `zh-Hans` or `zh-Hant`"
    )
    hunter_safe_search: Literal["none", "moderate", "strict"] | None = Field(
        None, description="YouTube's safe search: `none`, `moderate` or `strict`"
    )
    hunter_category: Share | None = Field(
        None, description="Only videos of this YouTube category, a number such as `28`"
    )
    hunter_tag_allow: str | None = Field(
        None, description="Regular expression; only tags that match it anywhere become queries"
    )
    hunter_tag_deny: str | None = Field(
        None, description="Regular expression; tags that match it anywhere do not become queries"
    )
    hunter_tags_per_video: Share = Field(
        10, description="Most tags of one video that become queries; 0 stops the Snowball"
    )
    hunter_new_queries_per_search: Share = Field(20, description="Most new queries from one search")
    hunter_max_queue: Share = Field(50_000, description="Size of the queue from which on tags add no queries")
    hunter_lease_seconds: Seconds = Field(600, description="Seconds until another process may claim a claimed query")

    tracker_batch_size: Count = Field(50, description="Videos per cycle")
    tracker_lease_seconds: Seconds = Field(300, description="Seconds until another process may claim a claimed video")

    atlas_clock: str = Field(
        "real", description="The schedule clock: `real`, or a faster one for demos and simulations"
    )
    notify_urls: SecretStr | None = Field(
        None, description="Apprise URLs, separated by spaces; `type,type=URL` limits one to some types of events"
    )
    notify_level: Literal["info", "warning", "error"] = Field(
        "warning", description="Lowest level of events that people are notified of: `info`, `warning` or `error`"
    )
    notify_interval_minutes: Annotated[float, Field(ge=0, le=525_600)] = Field(
        60, description="Minutes between two notifications of the same thing, over all processes; 0: no limit"
    )
    breakout_views_per_hour: Count | None = Field(
        None, description="Emit a `breakout` event above this growth in views per hour; unset: none"
    )
    prefect_api_url: str | None = Field(None, description="Address of the API of a Prefect server to report runs to")
    prefect_api_key: SecretStr | None = Field(None, description="API key of the Prefect server")
    maia_result_file: Path | None = Field(None, description="File to write the result to")
    maia_run_id: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Name of the workflow run that this process belongs to"
    )
    maia_wave: Annotated[int, Field(ge=1, le=32_767)] | None = Field(
        None, description="Number of the wave in the workflow run, from 1"
    )
    maia_wave_pause_seconds: Annotated[float, Field(ge=0, le=3_600)] = Field(
        60, description="Seconds of pause before a further wave is planned, plus up to half at random; 0: no pause"
    )

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        texts = {name: cleaned(value) if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in texts.items() if value != ""}

    @field_validator("*", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("it contains bytes that are not UTF-8 text") from None
            if type(value) is _Unmatched:
                raise ValueError("its quotes do not match; remove them, or put the whole value in quotes")
            if {value[:1], value[-1:]} & set(_TYPOGRAPHIC):
                raise ValueError("it is in typographic quotes; write \" or '")
        return value

    @field_validator("retention_statistics_days")
    @classmethod
    def _retention(cls, value: int, info: ValidationInfo) -> int:
        if value > 30 and not info.data.get("youtube_audited"):
            raise ValueError(
                "YouTube lets statistics that were read with an API key be kept for 30 days; longer needs an audited "
                "client, which YOUTUBE_AUDITED=true declares"
            )
        return value

    @field_validator("atlas_clock")
    @classmethod
    def _clock(cls, value: str) -> str:
        try:
            Clock.parse(value)
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("ATLAS_CLOCK: ")) from None
        return value

    @field_validator("notify_urls")
    @classmethod
    def _routes(cls, value: SecretStr | None) -> SecretStr | None:
        notify_urls.parse(value.get_secret_value() if value else "")
        return value

    @field_validator("hunter_tag_allow", "hunter_tag_deny")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        try:
            with warnings.catch_warnings(action="ignore"):  # of a pattern that works today
                re.compile(value or "", re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as error:  # a{99999999999}, or thousands of groups in groups
            raise ValueError(f"it is not a regular expression ({error})") from None
        return value

    @field_validator("youtube_api_base_url", "prefect_api_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://")
        return value.rstrip("/") if value else value

    @field_validator("database_schema")
    @classmethod
    def _schema(cls, value: str) -> str:
        if value.startswith("pg_") or value == "information_schema":
            raise ValueError("names that begin with pg_, and information_schema, are PostgreSQL's own")
        return value

    @field_validator("database_url")
    @classmethod
    def _dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            check_url(value.get_secret_value())
        return value

    @field_validator("vault_path", "atlas_embedded_path", "maia_result_file")
    @classmethod
    def _path(cls, value: Path | None) -> Path | None:
        try:
            _ = value and value.expanduser()
        except RuntimeError:
            raise ValueError("its ~ does not name a user with a home folder") from None
        return value

    @field_validator("hunter_region")
    @classmethod
    def _region(cls, value: str | None) -> str | None:
        return value and iso_codes.region(value)

    @field_validator("hunter_language")
    @classmethod
    def _language(cls, value: str | None) -> str | None:
        return value and iso_codes.language(value)

    @property
    def key_rings(self) -> KeyPool:
        """Return the rings of the key pool. Raise ConfigError naming YOUTUBE_API_KEY_POOL_JSON."""
        raw = self.youtube_api_key_pool_json
        return KeyPool.parse(
            raw.get_secret_value() if raw else None,
            tracking_size=self.key_pool_tracking_size,
            archeology_size=self.key_pool_archeology_size,
        )

    def quota_per_day(self, bucket: str) -> int:
        """Return the calls per key and day that plans and reports assume for a bucket."""
        return {
            "search": self.quota_search_per_day,
            "units": self.quota_units_per_day,
            "batchGetStats": self.quota_batch_per_day,
        }[bucket]
