"""The trace header (SPEC section 6)."""

from __future__ import annotations

import pytest

from qmail_smtpd.smtp.client import Client
from qmail_smtpd.smtp.received import LONGEST_LINE, bounded, date, safe, trace_header

NOW = 812_090_814  # 26 Sep 1995 04:46:54


def header(helo: bytes | None = b"h", info: bytes | None = None, protocol: bytes = b"SMTP", **env: str) -> str:
    base = {"TCPREMOTEIP": "192.0.2.10", "TCPREMOTEHOST": "client.example", "TCPLOCALHOST": "mx.example", **env}
    client = Client({name.encode(): value.encode("latin1") for name, value in base.items()})
    return trace_header(client, helo, info, b"s@x.example", b"u@y.example", protocol, NOW).decode("latin1")


def test_as_the_family_writes_it() -> None:
    lines = header(helo=b"helo.example", info=b"joe").split("\n")
    assert lines[0] == "Received: from client.example (HELO helo.example) (joe@[192.0.2.10])"
    assert lines[1] == "          (envelope-sender <s@x.example>)"
    assert lines[2].startswith("          by mx.example (qmail-") and lines[2].endswith(") with SMTP")
    assert lines[3:] == ["          for <u@y.example>; 26 Sep 1995 04:46:54 -0000", ""]


@pytest.mark.parametrize("helo", [None, b"client.example", b"CLIENT.Example"])
def test_helo_only_where_it_differs(helo: bytes | None) -> None:
    assert header(helo=helo).startswith("Received: from client.example ([192.0.2.10])\n")


def test_an_empty_helo_differs() -> None:
    assert header(helo=b"").startswith("Received: from client.example (HELO ) (")


def test_an_empty_ident_is_one() -> None:
    assert "(@[192.0.2.10])" in header(info=b"")


def test_nothing_known() -> None:
    client = Client({})
    text = trace_header(client, None, None, b"", b"u", b"SMTP", NOW).decode()
    assert text.startswith(
        "Received: from unknown ([unknown])\n          (envelope-sender <>)\n          by unknown (qmail-"
    )


@pytest.mark.parametrize(
    ("env", "by"),
    [({}, "unknown"), ({"TCPLOCALIP": "192.0.2.1"}, "192.0.2.1"), ({"TCPLOCALIP": "1", "TCPLOCALHOST": "h"}, "h")],
)
def test_the_local_name(env: dict[str, str], by: str) -> None:
    assert Client({name.encode(): value.encode() for name, value in env.items()}).local == by.encode()


def test_every_byte_outside_the_safe_ones_is_a_question_mark() -> None:
    kept = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.@%+/=:-_#[]"
    for number in range(256):
        byte = bytes([number])
        assert safe(byte) == (byte if byte in kept else b"?")


def test_no_variable_part_gets_a_line_of_its_own() -> None:
    evil = "x\nX-Evil: yes\r\n(<>);\xff"
    text = header(
        helo=evil.encode("latin1"), info=evil.encode("latin1"), TCPREMOTEHOST=evil, TCPREMOTEIP=evil, TCPLOCALHOST=evil
    )
    assert text.count("\n") == 4
    assert "X-Evil: yes" not in text
    assert "x?X-Evil:?yes??????" in text


def test_the_protocol_is_not_filtered() -> None:
    protocol = b"TLSv1.3 TLS_AES_256_GCM_SHA384 fingerprint=no certificate presented encrypted SMTP"
    assert f"with {protocol.decode()}\n" in header(protocol=protocol)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 Jan 1970 00:00:00 -0000"),
        (951_782_400, "29 Feb 2000 00:00:00 -0000"),
        (1_133_395_199, "30 Nov 2005 23:59:59 -0000"),
        (4_102_444_799.9, "31 Dec 2099 23:59:59 -0000"),
    ],
)
def test_date(seconds: float, text: str) -> None:
    assert date(seconds).decode() == text


def test_no_line_is_longer_than_the_next_hop_takes() -> None:
    """RFC 5322 section 2.1.1, whatever a client, the DNS or AUTH put into it; and the form stays whole."""
    long = "x" * 12_000
    client = Client({name: long.encode() for name in (b"TCPREMOTEIP", b"TCPREMOTEHOST", b"TCPLOCALHOST")})
    everything = long.encode()
    field = trace_header(client, b"h" + everything, everything, everything, everything, b"SMTP", NOW)
    lines = field.split(b"\n")
    assert len(lines) == 5 and max(map(len, lines)) <= LONGEST_LINE
    assert lines[0].endswith(b"])") and lines[3].endswith(b">; 26 Sep 1995 04:46:54 -0000")


def test_bounded() -> None:
    assert bounded(b"A: x\n y\n") == b"A: x\n y\n"
    assert bounded(b"A: " + b"x" * 5000 + b"\nB: y\n") == b"A: " + b"x" * 995 + b"\nB: y\n"
