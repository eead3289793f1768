"""How many examples of a property are tried: a tenth in `make test`, all of them with --hypothesis-profile=all."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

__all__ = ["examples", "register_profile"]


def register_profile() -> None:
    """Make ``--hypothesis-profile=all`` known."""
    settings.register_profile("all")


def examples(count: int, **options: Any) -> settings:
    """Return the settings of a property with ``count`` examples in the nightly job; none depends on machine speed."""
    everything = settings.get_current_profile_name() == "all"
    return settings(
        max_examples=count if everything else min(count, max(20, count // 10)),
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
        **options,
    )
