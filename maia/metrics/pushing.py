"""Send metrics to a Pushgateway, by its protocol; prometheus-client does the request."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, push_to_gateway
from prometheus_client.exposition import basic_auth_handler, default_handler

from atlas.errors import AtlasError, ConfigError
from atlas.redaction import one_line, without_login

JOB: Final = "maia"
"""The value of the label `job` in every group."""

PUSH_SECONDS: Final = 10.0
"""Seconds that the push of a command may take."""

_OUR_FAULT: Final = {400, 401, 403, 404, 405}


class PushFailed(AtlasError):
    """The Pushgateway cannot be reached, or did not take the metrics."""

    exit_code = 69


def push(registry: CollectorRegistry, url: str, *, group: Mapping[str, str], seconds: float) -> None:
    """Replace the metrics of a group; the group is the job and ``group``.

    Args:
        url: http or https; user and password in it are sent as basic authentication.
        seconds: the most that it takes, whatever the server does.

    Raises:
        ConfigError: the address, user or password is wrong.
        PushFailed: no answer in time, or an error of the server.
    """
    address, handler = _opened(url)
    failures: list[BaseException | None] = []

    def work() -> None:
        try:
            push_to_gateway(
                address, job=JOB, registry=registry, grouping_key=dict(group), timeout=seconds, handler=handler
            )
            failures.append(None)
        except (OSError, ValueError, HTTPException) as error:
            failures.append(error)

    # in a thread: the time limit of urllib is for each wait, and a name lookup has none
    thread = threading.Thread(target=work, name="metrics-push", daemon=True)
    thread.start()
    thread.join(seconds)
    shown = without_login(url)
    if not failures or isinstance(getattr(failures[0], "reason", failures[0]), TimeoutError):
        raise PushFailed(f"The Pushgateway {shown} did not answer within {seconds:.0f} s.")
    if (error := failures[0]) is None:
        return
    reason = one_line(error)
    if isinstance(error, HTTPError):
        error.close()
        if error.code in _OUR_FAULT or 300 <= error.code < 400:
            raise ConfigError(
                f"The Pushgateway {shown} refuses the metrics ({reason}). Check the address, its user and password."
            ) from None
    raise PushFailed(f"The Pushgateway {shown} did not take the metrics: {reason}.") from None


def _opened(url: str) -> tuple[str, Any]:
    """Return the address without its login, and what makes the request."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, default_handler
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    user, password = unquote(parts.username), unquote(parts.password or "")
    return bare, functools.partial(_with_login, user, password)


def _with_login(
    user: str, password: str, url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
) -> Any:
    return basic_auth_handler(url, method, timeout, headers, data, user, password)
