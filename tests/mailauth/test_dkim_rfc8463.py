"""The example of RFC 8463, appendix A: one message with an Ed25519 and an RSA signature."""

from __future__ import annotations

from qmail_smtpd.mailauth import dkim
from qmail_smtpd.mailauth.results import field_value

from .signer import split, zone

KEYS = {
    b"brisbane._domainkey.football.example.com": [
        b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ],
    b"test._domainkey.football.example.com": [
        b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
        b"Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kr"
        b"yOTIKT+l/K4w3QIDAQAB"
    ],
}
MESSAGE = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""


def test_both_signatures_are_good() -> None:
    fields, body = split(MESSAGE)
    results = dkim.verify(fields, lambda: [body], zone(KEYS), 1_800_000_000)
    assert [(r.value, r.reason, r.domain) for r in results] == [("pass", "", b"football.example.com")] * 2
    assert field_value(b"mx.example.net", results) == (
        b" mx.example.net;\n"
        b"\tdkim=pass header.d=football.example.com header.s=brisbane\n"
        b'\theader.a=ed25519-sha256 header.b="/gCrinpc";\n'
        b"\tdkim=pass header.d=football.example.com header.s=test header.a=rsa-sha256\n"
        b"\theader.b=F45dVWDf"
    )
    assert [[r.record] for r in results] == list(KEYS.values())


def test_neither_is_for_another_body_or_header() -> None:
    for changed in (MESSAGE.replace(b"lost", b"won"), MESSAGE.replace(b"dinner", b"lunch")):
        fields, body = split(changed)
        assert [r.value for r in dkim.verify(fields, lambda: [body], zone(KEYS), 1_800_000_000)] == ["fail", "fail"]  # noqa: B023
