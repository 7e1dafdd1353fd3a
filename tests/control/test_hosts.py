"""Which domains are ours, from text and from constant databases (SPEC sections 2 and 5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmail_smtpd.control.config import Config
from qmail_smtpd.control.files import ControlError, ControlFiles
from qmail_smtpd.control.hosts import Database, Hosts

from ..support.scenario import constant_database


@pytest.fixture
def control(tmp_path: Path) -> Path:
    (tmp_path / "me").write_text("mx.example\n")
    return tmp_path


def hosts(control: Path) -> Hosts:
    return Hosts(Config({}, ControlFiles(os.fsencode(control))))


def test_suffixes_begin_with_a_dot(control: Path) -> None:
    (control / "rcpthosts").write_text(".example.com\norg\n.net\n")
    found = hosts(control)
    for domain in (b"a.example.com", b"A.B.Example.Com", b"org", b"x.net", b".example.com"):
        assert found.accepted(domain), domain
    for domain in (b"example.com", b"xexample.com", b"com", b"x.org", b"net", b"", None, b".", b"example.com."):
        assert not found.accepted(domain), domain


def test_locals_are_whole_domains(control: Path) -> None:
    (control / "locals").write_text("Here.example\n.dot.example\n")
    found = hosts(control)
    assert found.local(b"HERE.example") == b"control/locals:1"
    for domain in (b"x.here.example", b"a.dot.example", b"mx.example", b"", None):
        assert not found.local(domain), domain


def test_locals_default_to_me(control: Path) -> None:
    assert hosts(control).local(b"mx.example") == b"control/me:1"


def test_nothing_is_accepted_without_rcpthosts(control: Path) -> None:
    assert not hosts(control).accepted(b"mx.example")
    assert not hosts(control).accepted(b"anything.example")


def test_where_it_stands(control: Path) -> None:
    (control / "rcpthosts").write_text("# ours\na.example\n")
    (control / "morercpthosts.cdb").write_bytes(constant_database([b"b.example"]))
    assert hosts(control).accepted(b"a.example") == b"control/rcpthosts:2" or b"rcpthosts:2" in hosts(control).accepted(
        b"a.example"
    )
    assert b"morercpthosts.cdb" in hosts(control).accepted(b"b.example")


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.binary(min_size=1, max_size=12), max_size=40), st.sets(st.binary(min_size=1, max_size=12), max_size=40)
)
def test_databases_hold_what_they_hold(
    tmp_path_factory: pytest.TempPathFactory, keys: set[bytes], others: set[bytes]
) -> None:
    path = tmp_path_factory.mktemp("cdb") / "x.cdb"
    path.write_bytes(constant_database(sorted(keys)))
    database = Database(os.fsencode(path))
    assert all(key in database for key in keys)
    assert not any(key in database for key in others - keys)


def test_keys_that_collide(tmp_path: Path) -> None:
    """Many keys in few slots: the search goes round the end of its table."""
    path = tmp_path / "x.cdb"
    keys = [b"host%d.example" % number for number in range(3000)]
    path.write_bytes(constant_database(keys))
    database = Database(os.fsencode(path))
    assert all(key in database for key in keys)
    assert not any(b"x" + key in database for key in keys)


@pytest.mark.parametrize("length", [0, 1, 7, 100, 2047, 2049, 2060])
def test_a_database_that_is_cut_off(tmp_path: Path, length: int) -> None:
    """Whatever is left of it: an error or the truth, never a key that is not there."""
    whole = constant_database([b"a.example", b"b.example"])
    path = tmp_path / "x.cdb"
    path.write_bytes(whole[:length])
    for key in (b"a.example", b"c.example"):
        try:
            found = key in Database(os.fsencode(path))
        except ControlError as error:
            assert error.path == os.fsencode(path)
        else:
            assert not found


@pytest.mark.parametrize("content", [b"\xff" * 4096, bytes(4096), bytes(2048), bytes(5), b""])
def test_corrupt_everywhere_is_no_answer(control: Path, content: bytes) -> None:
    """Neither "yes" nor "no": zeros are what a crash can leave."""
    (control / "rcpthosts.cdb").write_bytes(content)
    with pytest.raises(ControlError):
        hosts(control).accepted(b"a.example")
