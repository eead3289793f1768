"""Every setting with its meaning, its default and its allowed values. Read them from `atlas.config.settings`.

The descriptions are what users read in docs/configuration.md; `make docs` writes them there.
"""

from __future__ import annotations

import ipaddress
import os
import re
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from atlas.config import iso_codes, notify_urls
from atlas.config.database_url import check_url
from atlas.config.day_times import parse_quiet_hours, parse_time
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


def _clock(value: str) -> str:
    try:
        Clock.parse(value)
    except ConfigError as error:
        raise ValueError(str(error).removeprefix("ATLAS_CLOCK: ")) from None
    return value


def _pattern(value: str) -> str:
    try:
        with warnings.catch_warnings(action="ignore"):  # of a pattern that works today
            re.compile(value, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:  # a{99999999999}, or thousands of groups in groups
        raise ValueError(f"it is not a regular expression ({error})") from None
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("it is not a time zone; write it like Europe/Berlin or UTC") from None
    return value


def _quiet_hours(value: str) -> str:
    parse_quiet_hours(value)
    return value


def _time_of_day(value: str) -> str:
    parse_time(value)
    return value


def _http(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("it must start with http:// or https://")
    return value.rstrip("/")


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("it is not an address such as https://host:9091")
    if parts.query or parts.fragment:
        raise ValueError("it must end with a path, without ? and #")
    return value


def _ip_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("it is not an IP address") from None


def _schema(value: str) -> str:
    if value.startswith("pg_") or value == "information_schema":
        raise ValueError("names that begin with pg_, and information_schema, are PostgreSQL's own")
    return value


def _path(value: Path) -> Path:
    try:
        value.expanduser()
    except RuntimeError:
        raise ValueError("its ~ does not name a user with a home folder") from None
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
Http = Annotated[str, AfterValidator(_http)]
UserPath = Annotated[Path, AfterValidator(_path)]


class Settings(BaseModel):
    """Every setting, named as in the environment (lower case). See docs/configuration.md."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        None, description="Address of a PostgreSQL server, version 15 or newer; unset: the embedded PostgreSQL"
    )
    atlas_embedded_path: UserPath = Field(
        default_factory=lambda: _user_data() / "postgres", description="Data folder of the embedded PostgreSQL"
    )
    database_schema: Annotated[str, Field(pattern="^[a-z_][a-z0-9_]{0,62}$"), AfterValidator(_schema)] = Field(
        "public", description="Schema of Atlas's tables, for a database that others use too"
    )
    database_chunk_days: Annotated[int, Field(ge=1, le=366)] = Field(
        7, description="Days of snapshots in one chunk or partition"
    )
    database_pool_size: Annotated[int, Field(ge=1, le=1_000)] = Field(
        4, description="Maximum database connections of one process"
    )

    youtube_api_key_pool_json: SecretStr | None = Field(
        None,
        description='Keys by ring: `{"hunting": […], "tracking": […], "archeology": […]}`, or a plain list',
    )
    key_pool_archeology_size: Share = Field(
        1, description="Number of keys reserved for archeology, from the end of a plain list"
    )
    key_pool_tracking_size: Share = Field(
        1, description="Number of keys reserved for tracking, before those for archeology"
    )
    youtube_api_base_url: Http = Field(
        "https://www.googleapis.com/youtube/v3", description="Address of the YouTube API"
    )
    youtube_concurrency: Count = Field(32, description="Maximum parallel API calls of one process")
    quota_search_per_day: Share = Field(100, description="Assumed search calls per key and day, for plans and reports")
    quota_units_per_day: Share = Field(10_000, description="Assumed units per key and day, for plans and reports")
    quota_batch_per_day: Share = Field(
        10_000, description="Assumed batchGetStats calls per key and day, for plans and reports"
    )

    vault_provider: Vault = Field(
        default_factory=_vault_default,
        description="Where the archive is stored: `local`, `huggingface`, `fsspec`, or `off` for no archive",
    )
    vault_path: UserPath = Field(
        default_factory=lambda: _user_data() / "vault", description="Folder of the local archive"
    )
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
        description="Declare that YouTube has accepted this audited client, which may keep statistics for 36 months",
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
        0.2, description="Largest share of a table or the archive that the Janitor deletes without `--yes`"
    )

    hunter_batch_size: Count = Field(10, description="Queries per cycle")
    hunter_published_within_hours: Annotated[float, Field(gt=0, le=24 * _CENTURY)] = Field(
        24, description="Search only for videos published within this many hours"
    )
    hunter_index_lag_minutes: Annotated[float, Field(ge=0, le=10_080)] = Field(
        60, description="Overlap of a round's window with the window before, for videos that YouTube lists late"
    )
    hunter_max_pages_per_round: Count = Field(
        20, description="Maximum pages of one round of a query; the rest becomes a `search_gap` event"
    )
    hunter_max_searches_per_run: Count | None = Field(
        None, description="Maximum searches of one process; unset: no limit"
    )
    hunter_region: Annotated[str, AfterValidator(iso_codes.region)] | None = Field(
        None, description="Only videos that viewers in this country can watch: ISO 3166-1 code such as `US` or `GB`"
    )
    hunter_language: Annotated[str, AfterValidator(iso_codes.language)] | None = Field(
        None, description="Prefer videos relevant to this language: ISO 639-1 code such as `en`, `zh-Hans` or `zh-Hant`"
    )
    hunter_safe_search: Literal["none", "moderate", "strict"] | None = Field(
        None, description="YouTube's safe search: `none`, `moderate` or `strict`"
    )
    hunter_category: Share | None = Field(
        None, description="Only videos of this YouTube category, a number such as `28`"
    )
    hunter_tag_allow: Pattern | None = Field(
        None, description="Regular expression; only tags that match it anywhere become queries"
    )
    hunter_tag_deny: Pattern | None = Field(
        None, description="Regular expression; tags that match it anywhere do not become queries"
    )
    hunter_tags_per_video: Share = Field(
        10, description="Maximum tags of one video that become queries; 0 stops the Snowball"
    )
    hunter_new_queries_per_search: Share = Field(20, description="Maximum new queries from one search")
    hunter_max_queue: Share = Field(50_000, description="Size of the queue at which tags add no more queries")
    hunter_lease_seconds: Seconds = Field(600, description="Seconds until another process may claim a claimed query")

    tracker_batch_size: Count = Field(50, description="Videos per cycle")
    tracker_lease_seconds: Seconds = Field(300, description="Seconds until another process may claim a claimed video")

    atlas_clock: Annotated[str, AfterValidator(_clock)] = Field(
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
    notify_quiet_hours: Annotated[str, AfterValidator(_quiet_hours)] | None = Field(
        None,
        description="Hours of the day, in `DISPLAY_TIME_ZONE`, in which only errors are sent, such as `22:00-07:00`; "
        "the rest follows in one message",
    )
    notify_max_per_hour: Count = Field(
        30, description="Maximum messages in an hour, over all processes; errors are always sent"
    )
    notify_digest_at: Annotated[str, AfterValidator(_time_of_day)] | None = Field(
        None,
        description="Time of the day, in `DISPLAY_TIME_ZONE`, from which the first run sends the daily digest, such as "
        "`07:00`; unset: off",
    )
    heartbeat_url: SecretStr | None = Field(
        None, description="Address that is called at the end of each good run, for a service that notices silence"
    )
    breakout_views_per_hour: Count | None = Field(
        None, description="Emit a `breakout` event from this growth in views per hour on; unset: off"
    )
    breakout_min_score: Annotated[float, Field(gt=0, le=1_000)] = Field(
        8.0, description="Breakout score from which a video is breaking out"
    )
    breakout_min_views_per_hour: Count = Field(
        50, description="Growth in views per hour below which no video is breaking out"
    )
    display_time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        "UTC", description="Time zone in which people read times, such as `Europe/Berlin`"
    )
    report_title: Annotated[str, Field(max_length=200)] = Field("What is taking off", description="Title of the report")
    metrics_address: Annotated[str, AfterValidator(_ip_address)] = Field(
        "127.0.0.1", description="Address on which `--metrics-port` listens; `0.0.0.0`: every network of the machine"
    )
    metrics_push_url: SecretStr | None = Field(
        None, description="Pushgateway to which each run sends its metrics at its end; may hold user and password"
    )
    prefect_api_url: Http | None = Field(None, description="Address of the API of a Prefect server to report runs to")
    prefect_api_key: SecretStr | None = Field(None, description="API key of the Prefect server")
    maia_result_file: UserPath | None = Field(None, description="File to write the result to")
    maia_run_id: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Name of the workflow run that this process belongs to"
    )
    maia_run_url: Annotated[str, Field(max_length=500), AfterValidator(_http)] | None = Field(
        None, description="Address of the page of that workflow run"
    )
    maia_wave: Annotated[int, Field(ge=1, le=32_767)] | None = Field(
        None, description="Number of the wave in the workflow run, from 1"
    )
    maia_wave_pause_seconds: Annotated[float, Field(ge=0, le=3_600)] = Field(
        60, description="Seconds before a further wave is planned, plus up to half of them at random"
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

    @field_validator("database_url", "notify_urls")
    @classmethod
    def _addresses(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value:
            check = check_url if info.field_name == "database_url" else notify_urls.parse
            check(value.get_secret_value())
        return value

    @field_validator("metrics_push_url", "heartbeat_url")
    @classmethod
    def _secret_addresses(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value:
            _http(value.get_secret_value())
            if info.field_name == "metrics_push_url":  # a heartbeat's address may have a query
                _url(value.get_secret_value())
        return value

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
