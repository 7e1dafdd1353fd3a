"""STARTTLS begins again (RFC 3207 section 4.2): nothing that was said in clear, or that came of it, counts inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from ..support import site_checker
from ..support.certificates import Pki
from ..support.home import Home
from ..support.plugin_site import PluginSite
from ..support.tls import SmtpClient

AUTH = b"AUTH PLAIN AGEAYg=="
FAR = (b"MAIL FROM:<s@sender.example>", b"RCPT TO:<far@away.example>")
NEAR = (b"MAIL FROM:<s@sender.example>", b"RCPT TO:<u@example.org>", b"DATA", b"Subject: t\r\n\r\nbody\r\n.")


@contextmanager
def after_saying(home: Home, pki: Pki, *said: bytes, **env: str) -> Iterator[SmtpClient]:
    """A client inside TLS that said all this before."""
    with SmtpClient(home, **env) as client:
        assert client.code() == 220
        for line in said:
            assert client.say(line)[0] in (220, 235, 250), line
        assert client.say(b"STARTTLS") == [220]
        client.handshake(pki.trusting())
        yield client


def authenticator(home: Home) -> None:
    """Whoever comes is who they say, by the second field of PLAIN."""
    home.program(
        "auth_smtp",
        "#!/usr/bin/python3 -IS\nimport base64, os\ntext = os.read(0, 4096).split(b'\\0')[1]\n"
        "os.write(1, b'K' + base64.b64decode(text).split(b'\\0')[1] + b'\\0')\n",
    )


def test_an_authentication(tls_home: Home, pki: Pki) -> None:
    authenticator(tls_home)
    with after_saying(tls_home, pki, AUTH, *FAR, SMTPAUTH="") as client:
        assert client.say(*FAR) == [250, 553]


def test_who_authenticates_inside_is_who_they_say(tls_home: Home, pki: Pki) -> None:
    """Not somebody in the middle, who said so before."""
    authenticator(tls_home)
    with after_saying(tls_home, pki, AUTH, SMTPAUTH="", LOGFORMAT="json") as client:
        assert client.say(b"AUTH PLAIN AHZpY3RpbQBi", *NEAR, b"QUIT") == [235, 250, 250, 354, 250, 221]
        assert client.wait() == 0
    (queued,) = tls_home.queued()
    assert queued.env["SMTPAUTHUSER"] == "victim" and b"(victim@[192.0.2.10])" in queued.message
    told = [json.loads(line) for line in client.log.splitlines()]
    assert [line["user"] for line in told if line["event"] == "message"] == ["victim"]


def test_what_a_plugin_set_and_allowed(tls_home: Home, pki: Pki) -> None:
    site = PluginSite(tls_home)
    site.script(
        "helo", '[ "$SMTPHELOHOST" = trusted ] && printf "SRELAYCLIENT=\\nSDATABYTES=1\\nHX-Trusted: yes\\nA\\n"'
    )
    site.says("rcpt", "E550 asked")
    with after_saying(tls_home, pki, b"EHLO trusted", *FAR) as client:
        assert client.say(b"EHLO honest", *FAR) == [250, 250, 550]
    site.home.control("smtpplugins", "[helo]\nplugins/helo.0\n")
    with after_saying(tls_home, pki, b"EHLO trusted", *FAR) as client:
        assert client.say(b"EHLO honest", *FAR, *NEAR) == [250, 250, 553, 250, 250, 354, 250]
    (queued,) = tls_home.queued()
    assert b"X-Trusted" not in queued.message and not {"RELAYCLIENT", "DATABYTES"} & set(queued.env)


def test_what_a_plugin_refused_at_the_connection_stays_refused(tls_home: Home, pki: Pki) -> None:
    """It is asked about the connection once more: encryption is no way around it."""
    site = PluginSite(tls_home)
    site.says("connection", "LR550 not from there", "SBLOCKRELAYPROBE=1")
    with after_saying(tls_home, pki) as client:
        assert client.say(*FAR) == [250, 550]


NOTES = """
def setup(config):
    return Site()
class Site(Checker):
    name_said = b""
    def helo(self, session, event):
        self.name_said = self.name_said or event.name
    def rcpt(self, session, event):
        if self.name_said == b"trusted":
            session.transaction.relayclient = b""
"""


def test_the_notes_of_a_checker(tls_home: Home, pki: Pki) -> None:
    site_checker.install(tls_home, "from qmail_smtpd.checker import Checker\n" + NOTES, "ours")
    with after_saying(tls_home, pki, b"EHLO trusted", *FAR) as client:
        assert client.say(b"EHLO honest", *FAR) == [250, 250, 553]


def test_helo_transaction_and_greeting(tls_home: Home, pki: Pki) -> None:
    with after_saying(tls_home, pki, b"EHLO clear.test", *NEAR[:2]) as client:
        assert client.say(b"DATA", b"RCPT TO:<u@example.org>", *NEAR) == [503, 503, 250, 250, 354, 250]
    (queued,) = tls_home.queued()
    assert b"HELO" not in queued.message


def wants_one(home: Home, then: str) -> None:
    """A check that is content when it is asked about the connection for the first time, and not later."""
    hook = """
def connect(self, session, event):
    import os
    if os.path.exists("asked"):
        return {then}(b"no more")
    open("asked", "w").close()
"""
    site_checker.write(home, hook.format(then=then))


def test_a_connection_that_is_not_wanted_any_more(tls_home: Home, pki: Pki) -> None:
    """The check that is asked again may have changed its mind: then nothing works inside but QUIT."""
    wants_one(tls_home, "reject")
    with after_saying(tls_home, pki) as client:
        assert client.say(b"EHLO a", *NEAR[:1], b"QUIT") == [503, 503, 221]


def test_a_connection_that_is_to_end(tls_home: Home, pki: Pki) -> None:
    """Without a word: the client waits for none after the handshake."""
    wants_one(tls_home, "hangup")
    with after_saying(tls_home, pki) as client:
        assert client.rest() == b""
        assert client.wait() == 1
