"""tcprules.py against ucspi-tcp's own programs: tcprules compiles, tcprulescheck says what tcpserver would do."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmail_smtpd.control.files import ControlError
from qmail_smtpd.control.tcprules import Decision, Listed, Malformed, Rule, Rules, parse_line

from ..support.processes import program

Client = tuple[str, str | None, str | None]  # address, name, ident

RULES = """# comment
10.0.0.1-3:allow,X="1",X="2",Y=/a b/
10.0.0.1:deny
10.1-2.:deny,Z="q"
=.example.com:allow,H="s"
=host.example.com:allow,H="h"
user@10.0.0.9:allow,U="1"
user@=host.example.com:allow,U="h"
=:allow,N="named"
1.2.3:allow,P="q"
127.:allow,="x"
9.-:deny
 11.:deny
no colon in it
1.254-300.:allow,R="",Q='"'
:allow,D="def"
"""
CLIENTS: list[Client] = [
    ("10.0.0.1", None, None),
    ("10.0.0.3", "host.example.com", None),
    ("10.1.7.7", None, None),
    ("10.3.7.7", None, None),
    ("1.2.3.4", None, None),
    ("1.255.3.4", None, None),
    ("127.0.0.1", None, None),
    ("9.0.9.9", None, None),
    ("11.9.9.9", None, None),
    ("8.9.9.9", "x", None),
    ("8.9.9.9", "", None),
    ("8.9.9.9", "x.host.example.com", None),
    ("8.9.9.9", "HOST.example.com", None),
    ("8.9.9.9", "host.example.com", "user"),
    ("10.0.0.9", None, "user"),
    ("10.0.0.9", None, ""),
    ("10.0.0.9", "host.example.com.", "other"),
]


def compile_rules(folder: Path, text: str) -> Path:
    path = folder / "rules.cdb"
    subprocess.run([program("tcprules"), path, folder / "rules.tmp"], input=text.encode(), check=True)
    return path


def tcpserver_says(path: Path, client: Client) -> tuple[bool, dict[bytes, bytes]]:
    """What tcprulescheck prints, as verdict and variables."""
    names = ("TCPREMOTEIP", "TCPREMOTEHOST", "TCPREMOTEINFO")
    env = {name: value for name, value in zip(names, client, strict=True) if value is not None}
    text = subprocess.run([program("tcprulescheck"), path], env=env, capture_output=True, check=True).stdout
    lines = text.splitlines()
    assert lines[-1] in (b"allow connection", b"deny connection"), text
    set_ = b"set environment variable "
    variables = dict(line.removeprefix(set_).split(b"=", 1) for line in lines if line.startswith(set_))
    return lines[-1] == b"allow connection", variables


def look_up(path: Path, client: Client) -> Decision:
    ip, host, info = (None if value is None else value.encode() for value in client)
    assert ip is not None
    return Rules(os.fsencode(path)).look_up(ip, host, info)


def test_text_and_database_are_understood_as_tcpserver_does(tmp_path: Path) -> None:
    database = compile_rules(tmp_path, RULES)
    source = tmp_path / "rules"
    source.write_text(RULES)
    for client in CLIENTS:
        expected = tcpserver_says(database, client)
        for path in (source, database):
            verdict = look_up(path, client)
            if expected[0]:
                assert (verdict.allow, verdict.variables) == expected, (path, client)
            else:
                assert not verdict.allow, (path, client)


def test_random_rules(tmp_path: Path) -> None:
    chance = random.Random(7)
    parts = ["10.", "0.", "1-2.", "1.", "2", "1", "=", ".", "a", "b.a", ".a", "i@", "-", "3-1."]
    source = tmp_path / "rules"
    for _ in range(60):
        addresses = ["".join(chance.choices(parts, k=chance.randrange(5))) for _ in range(8)]
        lines = [f'{one}:{chance.choice(["allow", "deny"])},V="{at}"\n' for at, one in enumerate(addresses)]
        lines = [line for line in lines if compiles(tmp_path, line)]
        source.write_text("".join(lines))
        database = compile_rules(tmp_path, "".join(lines))
        for _ in range(6):
            ip = ".".join(chance.choices(["10", "0", "1", "2"], k=4))
            client = (ip, chance.choice([None, "a", "b.a", ".b.a", ""]), chance.choice([None, "i", ""]))
            allow, variables = tcpserver_says(database, client)
            for path in (source, database):
                verdict = look_up(path, client)
                assert verdict.allow == allow, (lines, client)
                assert not allow or verdict.variables == variables, (lines, client)


def compiles(folder: Path, line: str) -> bool:
    """Whether tcprules takes a line; that we take the same ones is part of the test."""
    argv = [program("tcprules"), folder / "one.cdb", folder / "one.tmp"]
    taken = subprocess.run(argv, input=line.encode(), stderr=subprocess.DEVNULL, check=False).returncode == 0
    (folder / "one").write_text(line)
    try:
        Rules(os.fsencode(folder / "one"))
    except ControlError:
        assert not taken, line
    else:
        assert taken, line
    return taken


@pytest.mark.parametrize(
    "line",
    [
        "1.2.3.4:foo",
        ":allow,X",
        ':allow,X="a',
        ':allow X="a"',
        ":allow,X=",
        ":denyX",
        "a-b:allow",
        ":allow\r",
        "1.2-x:deny",
    ],
)
def test_lines_that_tcprules_refuses(tmp_path: Path, line: str) -> None:
    assert not compiles(tmp_path, f"{line}\n")
    source = tmp_path / "rules"
    source.write_text(f"# first\n:allow\n{line}\n")
    with pytest.raises(ControlError) as trouble:
        Rules(os.fsencode(source))
    assert trouble.value.reason.startswith(b"line 3: ")


def test_rule_names_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "rules"
    source.write_text(RULES)
    assert look_up(source, ("10.2.0.1", None, None)).rule == f"{source}:4"
    database = compile_rules(tmp_path, RULES)
    assert look_up(database, ("10.2.0.1", None, None)).rule == f"{database} (10.2.)"
    source.write_text("10.:deny\n")
    verdict = look_up(source, ("11.0.0.1", None, None))
    assert (verdict.allow, verdict.variables, verdict.rule) == (True, {}, "")


@pytest.mark.parametrize(
    ("ip", "value"),
    [
        ("2001:db8::1", "whole"),
        ("2001:db8:6::1", "prefix"),
        ("2001:db8:7::1", "short"),
        ("fe80::1", "link"),
        ("::1", "loopback"),
        ("2001:dead::1", "default"),
        ("10.0.0.1", "ipv4"),
    ],
)
def test_ipv6_as_in_ucspi_tcp_ipv6(tmp_path: Path, ip: str, value: str) -> None:
    source = tmp_path / "rules"
    source.write_text(
        '2001:db8::1:allow,V="whole"\n2001:db8:6::allow,V="prefix"\n2001:db8::allow,V="short"\n'
        'fe80::allow,V="link"\n::1:allow,V="loopback"\n10.:allow,V="ipv4"\n:allow,V="default"\n'
    )
    assert look_up(source, (ip, None, None)).variables == {b"V": value.encode()}


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\0" * 3000, b"\xff" * 4096])
def test_corrupt_database_is_never_an_answer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rules.cdb"
    path.write_bytes(content)
    with pytest.raises(ControlError):
        look_up(path, ("10.0.0.1", None, None))


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_no_file(tmp_path: Path, kind: str) -> None:
    """Nobody is kept waiting by what is there instead."""
    if kind == "folder":
        (tmp_path / "rules").mkdir()
    elif kind == "pipe":
        os.mkfifo(tmp_path / "rules")
    with pytest.raises(ControlError):
        Rules(os.fsencode(tmp_path / "rules"))


# Ranges that are not spelt out

numbers = st.sampled_from(["0", "1", "2", "3", "02", "255", "300", ""])
places = st.one_of(numbers, st.tuples(numbers, numbers).map("-".join), st.sampled_from(["x", "x-1", "=h-1", "i@1-2"]))
lines = st.tuples(
    st.lists(places, min_size=1, max_size=4).map(".".join), st.sampled_from(["allow", "deny", 'allow,A="b"'])
)


@settings(max_examples=500, deadline=None)
@given(st.lists(lines.map(":".join), max_size=6).map("\n".join), st.lists(numbers, max_size=4).map(".".join))
def test_as_if_every_address_of_a_range_had_its_line(text: str, address: str) -> None:
    def shown(rule: Rule | None) -> object:
        return None if rule is None else (rule.address, rule.allow, rule.variables, rule.line)

    spelt: dict[bytes, Rule] = {}
    try:
        for number, line in enumerate(text.encode().split(b"\n"), 1):
            for rule in parse_line(line, number):
                spelt.setdefault(rule.address, rule)
    except Malformed:
        with pytest.raises(Malformed):
            Listed(text.encode())
        return
    listed = Listed(text.encode())
    for one in [address.encode(), *spelt]:
        assert shown(listed.find(one)) == shown(spelt.get(one)), (text, one)
