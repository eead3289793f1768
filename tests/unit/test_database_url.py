"""DATABASE_URL: which servers have to prove who they are where it does not say."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from atlas.config.database_url import Address, check_url
from atlas.errors import ConfigError
from atlas.redaction import scrub

NEAR = [
    "localhost", "LOCALHOST", "localhost.", "db.localhost", "127.0.0.1", "127.8.9.10", "[::1]", "postgres",
    "my-db", "db.local",
    "host.docker.internal", "ip-10-0-0-1.ec2.internal", "nas.home.arpa", "10.1.2.3", "172.16.0.1", "192.168.178.20",
    "169.254.1.1", "[fd00::1]", "[fe80::1%25eth0]", "%2Fvar%2Frun%2Fpostgresql", "localhost,127.0.0.1", "",
]  # fmt: skip
FAR = [
    "db.example.org", "DB.EXAMPLE.ORG.", "8.8.8.8", "172.32.0.1", "100.64.0.1", "[2606:4700::1111]", "[::ffff:8.8.8.8]",
    "localhost.example.org", "internal.example.org", "127.0.0.1.example.org", "localhost,db.example.org",
    "db.example.org,localhost", "ep-cool-1.eu-central-1.aws.neon.tech", "internal.com",
]  # fmt: skip


def with_port(host: str) -> str:
    return ",".join(f"{one}:5432" for one in host.split(",")) if host else ""


def verified(found: Address) -> bool:
    return found.tls is not None and found.tls.check_hostname and found.tls.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("write", [str, with_port], ids=["", "port"])
@pytest.mark.parametrize("host", [*NEAR, *FAR])
def test_a_server_that_is_not_near_proves_by_a_public_authority_who_it_is(
    host: str, write: Callable[[str], str]
) -> None:
    url = f"postgresql://user:p%40ss@{write(host)}/maia"
    found = Address.parse(url)
    if host in NEAR:
        assert found == Address(url)
    else:
        assert (found.dsn, found.verified_unasked, verified(found)) == (url, True, True)


@pytest.mark.parametrize(("host", "far"), [("localhost", False), ("/run/postgresql", False), ("db.example.org", True)])
def test_the_host_may_stand_among_the_parameters(host: str, far: bool) -> None:
    assert Address.parse(f"postgresql:///maia?user=u&host={host}").verified_unasked is far
    assert Address.parse(f"postgresql://u@/maia?host={host}&port=6543").verified_unasked is far


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("host", ["localhost", "db.example.org"])
def test_an_explicit_mode_is_used(host: str, mode: str) -> None:
    url = f"postgresql://user@{host}/maia?sslmode={mode}"
    assert Address.parse(url) == Address(url)


@pytest.mark.parametrize("host", ["localhost", "db.example.org"])
@pytest.mark.parametrize("query", ["sslrootcert={}", "sslrootcert={}&sslmode=", "sslmode=&sslrootcert={}"])
def test_an_authority_that_is_named_is_asked(host: str, query: str, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    file.touch()
    found = Address.parse(f"postgresql://user@{host}/maia?{query.format(file)}")
    assert found.tls is None
    assert parse_qs(urlsplit(found.dsn).query) == {"sslrootcert": [str(file)], "sslmode": ["verify-full"]}


@pytest.mark.parametrize("query", ["sslmode=", "sslrootcert=", "sslmode=&sslrootcert=", "sslcert=&sslmode=&sslkey="])
def test_a_parameter_without_a_value_is_as_if_it_were_not_there(query: str) -> None:
    far, near = "postgresql://user@db.example.com/maia", "postgresql://user@localhost/maia"
    found = Address.parse(f"{far}?{query}")
    assert (found.dsn, found.verified_unasked, verified(found)) == (far, True, True)
    assert Address.parse(f"{near}?{query}") == Address(near)


def test_pgbouncer_is_true_false_or_left_to_be_found_out() -> None:
    url = "postgresql://user@localhost/maia"
    assert Address.parse(f"{url}?pgbouncer=") == Address(url)
    assert Address.parse(f"{url}?pgbouncer=true").pooled is True
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: pgbouncer= is true for"):
        Address.parse(f"{url}?pgbouncer=perhaps")


def test_a_value_may_end_with_an_equals_sign() -> None:
    url = "postgresql://user@localhost/maia?password=c2VjcmV0cw=="
    assert Address.parse(url) == Address(url)


@pytest.mark.parametrize("url", ["postgresql://[::1/maia", "postgresql://user@host:port/maia"])
def test_what_is_no_address_is_left_to_the_driver(url: str) -> None:
    assert Address.parse(url).dsn == url


GOOD = [
    "postgresql://user:p%40ss@host:5432/maia",
    "postgres://user@host/maia",
    "postgresql://user:pa:ss@host/maia",
    "postgresql://user:pass@one:5432,two:5433/maia?target_session_attrs=read-write",
    "postgresql://user:pass@[2606:4700::1111]:5432/maia",
    "postgresql://%2Fvar%2Frun%2Fpostgresql/maia",
    "postgresql:///maia?host=/run/postgresql",
    "postgresql://postgres@/postgres?host=%2Ftmp%2Frun&port=5432",
    "postgresql://host/?dbname=maia",
    "postgresql://host?database=maia",
    "postgresql:///?service=maia",
    "postgresql://user:pass@host/maia?sslmode=require&application_name=me@example.org",
    "postgresql://host/maia?user=me@example.org",
    "postgresql://user:pass@host/maia?pgbouncer=true&channel_binding=require&connect_timeout=10",
    "postgresql://user:pass@host/maia?statement_timeout=60000&options=-c%20work_mem%3D1MB",
    "postgresql://user:pass@host/maia?schema=",
]


@pytest.mark.parametrize("url", GOOD)
def test_an_address_that_can_be_is_taken(url: str) -> None:
    check_url(url)


PASSWORD = "s3cret"
BAD = [
    # what is written, what has to be said
    ("postgresql://u:s3cret@db.test:5432", "it names no database"),
    ("postgresql://u:s3cret@db.test:5432/", "it names no database"),
    ("postgresql://u:s3cret@db.test?sslmode=require", "it names no database"),
    ("postgresql://u:s3cret@db.test/?dbname=", "it names no database"),
    ("postgresql://u:s3cret@s3cret@db.test/m", "write @ as %40: postgresql://u:[password with %40]@db.test/m"),
    ("postgresql://u:s3cret#s3cret@db.test/m", "write # as %23: postgresql://u:[password with %23]@db.test/m"),
    ("postgresql://u:s3cret/s3cret@db.test/m", "write / as %2F: postgresql://u:[password with %2F]@db.test/m"),
    ("postgresql://u:12/s3cret@db.test/m", "write / as %2F: postgresql://u:[password with %2F]@db.test/m"),
    ("postgresql://u:s3cret?s3cret@db.test/m", "write ? as %3F: postgresql://u:[password with %3F]@db.test/m"),
    ("postgresql://u:12?s3cret@db.test/m", "write ? as %3F: postgresql://u:[password with %3F]@db.test/m"),
    ("postgresql://u:12?s3cret@db.test:1/m?a=b", "write ? as %3F: postgresql://u:[password with %3F]@db.test:1/m"),
    ("postgresql://u:s3cret%s3cret@db.test/m", "write % as %25: postgresql://u:[password with %25]@db.test/m"),
    ("postgresql://u:s3cret%@db.test/m", "write % as %25: postgresql://u:[password with %25]@db.test/m"),
    ("postgresql://u:[s3cret]@db.test/m", "write [ as %5B, ] as %5D: postgresql://u:[password with %5B %5D]@db"),
    ("postgresql://u:s3cret@#/?s3cret@db.test/m?sslmode=require",
     "write @ as %40, # as %23, / as %2F, ? as %3F: postgresql://u:[password with %40 %23 %2F %3F]@db.test/m"),
    ("postgresql://me@server:s3cret@server.postgres.database.azure.com/m",
     "write @ as %40: postgresql://me%40server:[password]@server.postgres.database.azure.com/m"),
    ("postgresql://u:s3cret@db.test/m#x", "# is written as %23"),
    ("postgresql://u:s3cret s3cret@db.test/m", "it contains a blank"),
    ("postgresql://u:s3cret\n@db.test/m", "it contains a blank or a line break"),
    ("postgresql://u:s3cret@db.test:54x/m", "the port is a number"),
    ("postgresql://u:s3cret@2606:4700::1111/m", "host and port cannot be read"),
    ("postgresql+asyncpg://u:s3cret@h/m", "SQLAlchemy's way to begin; write postgresql://"),
    ("postgresql+psycopg2://u:s3cret@h/m", "SQLAlchemy's way to begin; write postgresql://"),
    ("jdbc:postgresql://h/m?user=u&password=s3cret", "JDBC's way to begin; write postgresql://"),
    ("mysql://u:s3cret@h/m", "it must begin with postgresql://"),
    ("psql 'postgresql://u:s3cret@h/m'", "it must begin with postgresql://"),
    ("host=h dbname=m password=s3cret", "it must be a URL such as postgresql://"),
    ("postgresql://u:s3cret@h/m?connection_limit=1&schema=s3cret&pgbouncer=true",
     "the parameter connection_limit is another tool's; set DATABASE_POOL_SIZE; "
     "the parameter schema is another tool's; set DATABASE_SCHEMA"),
    ("postgresql://u:s3cret@h/m?currentSchema=app", "currentSchema is another tool's; set DATABASE_SCHEMA"),
    ("postgresql://u:s3cret@h/m?ssl=true", "the parameter ssl is another tool's; write sslmode=require"),
    ("postgresql://u:s3cret@h/m?pool=5", "the parameter pool is another tool's; set DATABASE_POOL_SIZE"),
    ("postgresql://u:s3cret@h?pool=5", "it names no database; add its name behind host and port, as in"),
    ("postgresql://u:s3cret@h?pool=5", "the parameter pool is another tool's"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "problem"), BAD)
def test_an_address_that_cannot_be_is_refused_with_what_to_write_and_without_its_password(
    url: str, problem: str
) -> None:
    with pytest.raises(ValueError) as caught:
        check_url(url)
    assert problem in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert scrub(problem) in scrub(str(caught.value)), "what a log shows still says it"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:word@db.example/maia", "db.example:5432"),
        ("postgresql://me:word@db.example:6543/maia?sslmode=require", "db.example:6543"),
        ("postgresql://me:word@one.example,two.example:6543/maia", "one.example:5432, two.example:6543"),
        ("postgresql://me@[::1]/maia", "[::1]:5432"),
        ("postgresql://me@[::1]:6543/maia", "[::1]:6543"),
        ("postgresql:///maia?host=/run/postgresql&port=6543", "/run/postgresql/.s.PGSQL.6543"),
        ("postgresql://me@%2Frun%2Fpostgresql/maia", "/run/postgresql/.s.PGSQL.5432"),
        ("postgresql:///maia", "localhost:5432"),
        # what may be a part of the password is shown nowhere
        ("postgresql://me:sec@ret@db.example/maia", "db.example:5432"),
        ("postgresql://me:12/34@db.example/maia", ""),
        ("postgresql://me:12#34@db.example/maia", ""),
        ("postgresql://me:12?34@db.example/maia", ""),
    ],
)
def test_messages_name_the_server_and_nothing_secret(url: str, place: str) -> None:
    assert Address.parse(url).place == place
