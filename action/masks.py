"""Mask secrets in the log, and find outputs that the runner drops because they contain a masked value.

The runner masks each secret as a whole and line by line, but not the members of a JSON secret, nor the password in a
URL. It drops every job output that contains a masked value (runner: JobExtension, "Skip output since it may contain
secret"), which may be as short as a key `1`, or the line `]` of a key pool over several lines.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from action.inputs import PREFIX
from action.runner import Runner
from action.settings import MIGRATION, PROXIES, SECRETS, cleaned, passwords

SHORT = 8
"""A masked value with fewer characters makes logs unreadable, and may occur in an output."""

_POOL = "YOUTUBE_API_KEY_POOL_JSON"
_TOKENS = ("HF_TOKEN", "PREFECT_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_OF_SHARDS = frozenset({*_TOKENS, "VAULT_URL", "METRICS_PUSH_URL"})
"""Secrets that only shards get, not plans, gates and verdicts."""


@dataclass(frozen=True)
class Mask:
    """A masked value, what it is, and the setting that it is part of."""

    value: str
    what: str
    setting: str


class Masks:
    """The masked values of this job that the action knows of."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.own = tuple({mask.value: mask for mask in _own(environ) if mask.value.strip()}.values())
        self.lines = tuple(_lines(environ))  # whole secrets and their lines, which the runner itself masks

    def announce(self, runner: Runner) -> None:
        """Mask every value, and each of its lines."""
        for mask in self.own:
            for value in dict.fromkeys((mask.value, *mask.value.splitlines())):
                if value.strip():
                    runner.mask(value)

    def warn(self, runner: Runner, environ: Mapping[str, str]) -> None:
        """Warn of the short values, without showing them: in one step of a workflow run only."""
        short = Counter(
            (mask.what, mask.setting) for mask in self.own if len(mask.value) < SHORT and _warns(mask.setting, environ)
        )
        for (what, setting), count in short.items():
            runner.warning(
                "Maia: a short secret",
                f"{f'{count} times ' if count > 1 else ''}{what} in {setting} has fewer than {SHORT} characters. It is "
                "masked, so wherever these characters stand in the log they show as ***, and GitHub drops outputs that "
                "hold them.",
            )

    def hidden_in(self, text: str) -> Mask | None:
        """Return a masked value that `text` contains: the runner would drop it as a job output."""
        return next((mask for mask in (*self.own, *self.lines) if mask.value in text), None)


def _warns(setting: str, environ: Mapping[str, str]) -> bool:
    """Return whether this step is the one of its workflow run that warns of the setting.

    That is the plan, or the first shard if there was no plan; for secrets that a plan does not get, the first shard of
    the first wave. An input `run` means that there was a plan. The inputs are not checked yet.
    """
    command, shard, wave, run = (
        environ.get(f"{PREFIX}{name}", "").strip() for name in ("COMMAND", "SHARD", "WAVE", "RUN")
    )
    first = shard.partition("/")[0] in {"", "0"} and wave in {"", "1"}
    if command in {"plan", "verdict"}:
        return first and not run and setting not in _OF_SHARDS
    return first and (not run or setting in _OF_SHARDS)


def _own(environ: Mapping[str, str]) -> Iterator[Mask]:
    for key in _pool(cleaned(environ.get(_POOL, ""))):
        yield Mask(key, "a key", _POOL)
    for name in ("DATABASE_URL", MIGRATION, "VAULT_URL", "METRICS_PUSH_URL", *PROXIES):
        address = cleaned(environ.get(name, ""))
        if name in PROXIES and "://" not in address:
            address = f"http://{address}"
        for password in passwords(address):
            yield Mask(password, "the password", name)
    for name in _TOKENS:
        yield Mask(cleaned(environ.get(name, "")), "the value", name)
    for entry in cleaned(environ.get("NOTIFY_URLS", "")).split():
        # an entry may be type,type=URL, and the types are no secret
        yield Mask(re.sub(r"^[\w,-]*=", "", entry), "a URL", "NOTIFY_URLS")


def _pool(text: str) -> Iterator[str]:
    """Yield the members of the key pool; if it is not JSON, the value and its lines."""
    try:
        yield from _texts(json.loads(text))
    except (ValueError, RecursionError):
        yield text
        yield from (line.strip() for line in text.splitlines())


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _texts(member)
    elif value is not None and not isinstance(value, bool):
        # a key may have been written without quotes
        yield from (str(value), str(value).strip())


def _lines(environ: Mapping[str, str]) -> Iterator[Mask]:
    """Yield what the runner itself masks of each secret (runner: Worker.InitializeSecretMasker)."""
    for name in sorted(SECRETS | {MIGRATION}):
        value = environ.get(name, "").strip()
        lines = [line.strip() for line in value.splitlines()]
        if len(lines) > 1:
            yield from (Mask(line, "a line", name) for line in lines if line)
        if value:
            yield Mask(value, "the value", name)
