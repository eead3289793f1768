"""DATABASE_URL: which servers have to prove who they are where it does not say."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from atlas.address import Address

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


@pytest.mark.parametrize("write", [str, with_port], ids=["", "port"])
@pytest.mark.parametrize("host", NEAR)
def test_a_server_that_is_near_proves_nothing_unless_asked(host: str, write: object) -> None:
    url = f"postgresql://user:p%40ss@{write(host)}/maia"  # type: ignore[operator]
    assert Address.parse(url) == Address(url)


@pytest.mark.parametrize("write", [str, with_port], ids=["", "port"])
@pytest.mark.parametrize("host", FAR)
def test_any_other_proves_by_a_public_authority_who_it_is(host: str, write: object) -> None:
    url = f"postgresql://user:p%40ss@{write(host)}/maia"  # type: ignore[operator]
    found = Address.parse(url)
    assert found.verified_unasked
    assert found.tls is not None
    assert (found.tls.verify_mode, found.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert found.dsn == url


@pytest.mark.parametrize(("host", "far"), [("localhost", False), ("/run/postgresql", False), ("db.example.org", True)])
def test_the_host_may_stand_among_the_parameters(host: str, far: bool) -> None:
    assert Address.parse(f"postgresql:///maia?user=u&host={host}").verified_unasked is far
    assert Address.parse(f"postgresql://u@/maia?host={host}&port=6543").verified_unasked is far


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("host", ["localhost", "db.example.org"])
def test_whoever_says_how_has_it_so(host: str, mode: str) -> None:
    url = f"postgresql://user@{host}/maia?sslmode={mode}"
    assert Address.parse(url) == Address(url)


@pytest.mark.parametrize("host", ["localhost", "db.example.org"])
def test_an_authority_that_is_named_is_asked(host: str, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    file.touch()
    found = Address.parse(f"postgresql://user@{host}/maia?sslrootcert={file}")
    assert found.tls is None
    assert parse_qs(urlsplit(found.dsn).query) == {"sslrootcert": [str(file)], "sslmode": ["verify-full"]}


@pytest.mark.parametrize("query", ["sslmode=", "sslrootcert=", "sslmode=&sslrootcert=", "sslcert=&sslmode=&sslkey="])
def test_a_parameter_without_a_value_is_as_if_it_were_not_there(query: str) -> None:
    far, near = "postgresql://user@db.example.com/maia", "postgresql://user@localhost/maia"
    found = Address.parse(f"{far}?{query}")
    assert (found.dsn, found.verified_unasked) == (far, True)
    assert found.tls is not None
    assert (found.tls.verify_mode, found.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert Address.parse(f"{near}?{query}") == Address(near)


@pytest.mark.parametrize("host", ["localhost", "db.example.com"])
@pytest.mark.parametrize("query", ["sslrootcert={}&sslmode=", "sslmode=&sslrootcert={}"])
def test_an_authority_is_asked_also_where_the_mode_is_empty(host: str, query: str, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    file.touch()
    found = Address.parse(f"postgresql://user@{host}/maia?{query.format(file)}")
    assert parse_qs(urlsplit(found.dsn).query) == {"sslrootcert": [str(file)], "sslmode": ["verify-full"]}


def test_an_empty_word_on_poolers_leaves_it_to_be_found_out() -> None:
    url = "postgresql://user@localhost/maia"
    assert Address.parse(f"{url}?pgbouncer=") == Address(url)
    assert Address.parse(f"{url}?pgbouncer=true").pooled is True


def test_a_value_may_end_with_an_equals_sign() -> None:
    url = "postgresql://user@localhost/maia?password=c2VjcmV0cw=="
    assert Address.parse(url) == Address(url)


@pytest.mark.parametrize("url", ["postgresql://[::1/maia", "postgresql://user@host:port/maia"])
def test_what_is_no_address_is_left_to_the_driver(url: str) -> None:
    assert Address.parse(url).dsn == url
