"""The settings that Prefect reads from the environment for itself, given to it before it is imported.

Prefect takes its settings when it is imported, and its threads read them from there: the environment is the one way
that reaches all of them.
"""

import os

from pydantic import SecretStr


def configure_prefect(api_url: str, api_key: SecretStr | None = None) -> None:
    """Point Prefect at the server `api_url`, and keep it from anything else. Call it before `import prefect`.

    Never a server of its own (20 s a start, and none of several at once), no analytics, few retries: a lost server
    must cost seconds. What the user set for these, beyond the server, holds.
    """
    os.environ["PREFECT_API_URL"] = api_url
    if api_key is not None:
        os.environ["PREFECT_API_KEY"] = api_key.get_secret_value()
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
    for name, value in {
        "PREFECT_CLIENT_MAX_RETRIES": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }.items():
        os.environ.setdefault(name, value)
