"""Set the environment variables that Prefect reads when it is imported: nothing else reaches all of its threads."""

import os

from pydantic import SecretStr


def configure_prefect(api_url: str, api_key: SecretStr | None = None) -> None:
    """Point Prefect at a server. Call it before `import prefect`.

    Prefect starts no server of its own (20 s), sends no analytics, and retries little, so that a lost server costs
    seconds. The user's own values for these stay.
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
