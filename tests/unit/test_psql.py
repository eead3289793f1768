"""The address and the environment that psql gets."""

from __future__ import annotations

import pytest

from atlas.config import settings
from atlas.db.psql import options


@pytest.mark.parametrize(
    ("url", "place", "variables"),
    [
        ("postgresql://u:p%40ss%2F@localhost:5432/maia", "postgresql://u@localhost:5432/maia", {"PGPASSWORD": "p@ss/"}),
        ("postgresql://u@localhost/maia", "postgresql://u@localhost/maia", {}),
        ("postgresql://localhost/maia?user=u&password=p", "postgresql://localhost/maia?user=u", {"PGPASSWORD": "p"}),
        ("postgresql://u:p@10.0.0.1/maia?pgbouncer=true&sslmode=require", "postgresql://u@10.0.0.1/maia?sslmode=require",
         {"PGPASSWORD": "p"}),
        ("postgresql://u:p@db.example.com/maia", "postgresql://u@db.example.com/maia?sslmode=verify-full&sslrootcert=system",
         {"PGPASSWORD": "p"}),
        ("postgresql://postgres@/postgres?host=/tmp/a b&port=5432",
         "postgresql://postgres@/postgres?host=%2Ftmp%2Fa%20b&port=5432", {}),
        ("postgresql://u:p@localhost:1,127.0.0.1:2/maia", "postgresql://u@localhost:1,127.0.0.1:2/maia",
         {"PGPASSWORD": "p"}),
    ],
)  # fmt: skip
def test_the_password_is_in_the_environment_alone(url: str, place: str, variables: dict[str, str]) -> None:
    assert options(url) == (place, {"PGAPPNAME": "maia db psql"} | variables)


def test_the_schema_is_the_one_that_is_set() -> None:
    with settings.override(database_schema="mine"):
        assert options("postgresql://localhost/maia")[1]["PGOPTIONS"] == "-c search_path=mine,public"
