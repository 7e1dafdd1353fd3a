"""The directory all tests of this folder share, and qmail homes that use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.home import Home
from ..support.slapd import SUFFIX, Certificate, Slapd, generated, make_certificate, slapd
from .people import SPECIAL

PEOPLE = 2000
MakeHome = Callable[..., Home]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For 127.0.0.1, known to clients by its file."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def people() -> str:
    """The whole directory as LDIF."""
    return generated(PEOPLE) + "\n" + SPECIAL


@pytest.fixture(scope="session")
def server(people: str, certificate: Certificate) -> Iterator[Slapd]:
    """A running server with more than 2,000 entries. Do not stop it."""
    with slapd(people, certificate) as made, made.running():
        yield made


@pytest.fixture
def own_server(certificate: Certificate) -> Iterator[Slapd]:
    """A server with ten people that runs when the test says so."""
    with slapd(generated(10), certificate) as made:
        yield made


@pytest.fixture
def make_home(tmp_path: Path, server: Slapd) -> MakeHome:
    """Make a qmail home that asks the shared server; keywords are further control files."""

    def make(name: str = "home", **control: str | bytes | None) -> Home:
        base = {"ldapserver": server.host_port, "ldapbasedn": SUFFIX, "ldaplocaldelivery": "0", "ldaptimeout": "20"}
        return Home(tmp_path / name, {**base, **control})

    return make


@pytest.fixture
def home(make_home: MakeHome) -> Home:
    return make_home()
