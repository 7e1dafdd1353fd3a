"""The DNS as mailauth asks it, over real name servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qmail_smtpd.checkers import _lookup
from qmail_smtpd.checkers._lookup import BoundedLookup
from qmail_smtpd.mailauth.dns import NoSuchName, Temporary, TooLate
from qmail_smtpd.net import nameservers

from ..support import dns
from ..support.dns import Relay

RECORDS = 'host A 192.0.2.1\nhost TXT "v=spf1 " "-all"\nhost MX 10 mail\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with dns.zones(tmp_path_factory.mktemp("zones"), {"zone.test": RECORDS, "broken.test": None}) as port:
        yield port


def lookup(port: int, seconds: float = 10) -> BoundedLookup:
    return BoundedLookup({b"DNSCACHEIP": b"127.0.0.1:%d" % port}, seconds)


def test_answers(server: int) -> None:
    ask = lookup(server)
    assert ask(b"host.zone.test", "A") == [b"\xc0\0\2\1"]
    assert ask(b"HOST.zone.test.", "TXT") == [b"v=spf1 -all"]
    assert ask(b"host.zone.test", "MX") == [(10, b"mail.zone.test")]
    assert ask(b"host.zone.test", "AAAA") == []
    assert not ask.trouble


@pytest.mark.parametrize("name", [b"nowhere.zone.test", b"", b"a..b", b"l" * 64 + b".test", b"\0\xff\\.zone.test"])
def test_names_that_are_not_there(server: int, name: bytes) -> None:
    with pytest.raises(NoSuchName):
        lookup(server)(name, "TXT")


@pytest.mark.parametrize("name", [b"x.broken.test", b"elsewhere.test"])
def test_servers_in_trouble(server: int, name: bytes) -> None:
    ask = lookup(server)
    with pytest.raises(Temporary, match="SERVFAIL|REFUSED"):
        ask(name, "A")
    assert not ask.trouble


def test_the_time_is_shared(server: int) -> None:
    """A silent name uses it up; then nothing more is asked."""
    with Relay(server) as relay:
        ask = lookup(relay.port, 0.3)
        for name in (b"silent.zone.test", b"host.zone.test"):
            with pytest.raises(TooLate, match="no answer in time"):
                ask(name, "A")
        assert "host.zone.test" not in relay.names


def test_only_the_time_of_answers_counts(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour goes by between two questions; within them time stands still."""
    now = 1000.0
    monkeypatch.setattr(_lookup, "monotonic", lambda: now)
    ask = lookup(server, 10)
    assert ask(b"host.zone.test", "A")
    now += 3600
    assert ask(b"host.zone.test", "MX")


def test_each_question_is_asked_once(server: int) -> None:
    with Relay(server) as relay:
        ask = lookup(relay.port)
        for _ in range(2):
            ask(b"host.zone.test", "A").append(b"not ours")
            for name, expected in ((b"nowhere.zone.test", NoSuchName), (b"x.broken.test", Temporary)):
                with pytest.raises(expected):
                    ask(name, "A")
        assert ask(b"host.zone.test", "A") == [b"\xc0\0\2\1"]
        assert sorted(relay.names) == ["host.zone.test", "nowhere.zone.test", "x.broken.test"]


def test_ahead_they_are_asked_at_once(server: int) -> None:
    """The relay passes nothing on before it has all three."""
    names = [b"host.zone.test", b"nowhere.zone.test", b"x.broken.test"]
    with Relay(server, together=3) as relay:
        ask = lookup(relay.port)
        ask.ahead([(name, "A") for name in names])
        assert ask(names[0], "A") == [b"\xc0\0\2\1"]
        assert len(relay.names) == 3


def test_ahead_some_are_not_waited_for(server: int) -> None:
    with Relay(server, together=2) as relay:
        ask = lookup(relay.port)
        ask.ahead([(b"host.zone.test", "A")], [(b"silent.zone.test", "A")])
        assert ask(b"host.zone.test", "A") == [b"\xc0\0\2\1"]
        assert sorted(relay.names) == ["host.zone.test", "silent.zone.test"]


def test_trouble_of_ours_is_temporary_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nameservers, "RESOLV_CONF", "/proc/self")
    ask = BoundedLookup({}, 10)
    with pytest.raises(Temporary, match="IsADirectoryError"):
        ask(b"host.zone.test", "A")
    assert "IsADirectoryError" in ask.trouble
