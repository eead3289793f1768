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
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from atlas.config import dotenv
from atlas.config.definitions import Settings, cleaned, environment
from atlas.config.notify_urls import bare_url
from atlas.config.similar_names import POOL, similar_settings
from atlas.docs_pages import page
from atlas.errors import ConfigError
from atlas.hosts import is_near
from atlas.redaction import remember_environment, remember_password, remember_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Settings", "settings"]


class _LazySettings:
    """The settings, read at first use, with an error for each wrong one."""

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
        """A sentence that names the `.env` in use; None if there is none."""
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
        """Names of variables that probably contain keys, if the pool is unset."""
        return sorted(name for name, near in self._similar_names().items() if near == POOL)

    @property
    def embedded_is_chosen(self) -> bool:
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
        """Override fields inside the block, for tests and command-line options. Raise ConfigError."""
        before, wrong = self._load(), dict(self._wrong)
        remember_environment({name: _text(value) for name, value in fields.items()})
        try:
            given = Settings(**fields)
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
        # wrong values too: messages may show them
        remember_environment(environment())
        remember_environment({**self._file.values} if self._file else {})
        given = _given(self._file)
        try:
            self._loaded = Settings(**given)
        except ValidationError as error:
            self._wrong = _explained(error, self._file)
            # the others stay usable: `atlas status` must not fail because of a Hunter setting
            self._loaded = Settings(**{name: value for name, value in given.items() if name not in self._wrong})
        _remember(self._loaded)
        return self._loaded

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        loaded = self._load()
        if (
            self._file_problems and name != "maia_result_file"
        ):  # a run that ends because of .env writes its result file too
            raise ConfigError(" ".join(self._file_problems))
        if name in self._wrong:
            raise ConfigError(self._wrong[name])
        if name in vars(loaded):  # a plain field: an agent reads some thirty of them per call
            return vars(loaded)[name]
        member = vars(Settings).get(name)
        if isinstance(member, property) and member.fget is not None:
            return member.fget(self)  # raises ConfigError if a setting that it uses is wrong
        if isinstance(member, FunctionType):
            return MethodType(member, self)
        return getattr(loaded, name)


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _is_near_url(url: str) -> bool:
    with contextlib.suppress(ValueError):
        return is_near(urlsplit(url).hostname or "")
    return False


def _given(file: dotenv.DotEnv | None) -> dict[str, Any]:
    """Return what the environment and the file set; the environment wins."""
    values = {**(file.values if file else {}), **{name.lower(): value for name, value in environment().items()}}
    return {name: value for name, value in values.items() if name in Settings.model_fields}


def _overruled(file: dotenv.DotEnv) -> list[str]:
    before = {name.lower(): value for name, value in environment().items()}
    return [
        name
        for name, value in file.values.items()
        if name in Settings.model_fields and cleaned(value) and cleaned(before.get(name, value)) != cleaned(value)
    ]


def _explained(error: ValidationError, file: dotenv.DotEnv | None = None) -> dict[str, str]:
    in_file = {*(file.values if file else ())} - {name.lower() for name in environment()}
    found = {}
    for problem in error.errors(include_input=False):
        name = str(problem["loc"][0])
        found[name] = _explain(name, problem["msg"], f" ({file.where(name)})" if file and name in in_file else "")
    return found


def _explain(name: str, message: str, where: str) -> str:
    message = message.removeprefix("Value error, ")
    problem = message[0].lower() + message[1:]
    # without DATABASE_URL it is another database
    otherwise = "" if name == "database_url" else "; unset it for the default"
    return f"{name.upper()}: {problem}{where}. See {page('configuration.md')} for what it may be{otherwise}."


def _remember(loaded: Settings) -> None:
    """Register every secret of the settings for scrubbing."""
    for value in (loaded.hf_token, loaded.prefect_api_key, loaded.youtube_api_key_pool_json, loaded.database_url):
        if value:
            remember_secret(value.get_secret_value())
    if loaded.database_url:
        remember_password(loaded.database_url.get_secret_value())
    if loaded.vault_url:
        remember_password(loaded.vault_url)
    if loaded.metrics_push_url:
        remember_secret(loaded.metrics_push_url.get_secret_value())
        remember_password(loaded.metrics_push_url.get_secret_value())
    for entry in (loaded.notify_urls.get_secret_value() if loaded.notify_urls else "").split():
        remember_secret(bare_url(entry))
        remember_password(bare_url(entry))
    with contextlib.suppress(ConfigError):
        for key in loaded.key_rings.all_keys():
            remember_secret(key.get_secret_value())


if TYPE_CHECKING:

    class _TypedSettings(_LazySettings, Settings):
        """`settings` as type checkers see it."""


settings = cast("_TypedSettings", _LazySettings())
