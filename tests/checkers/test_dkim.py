"""DKIMVERIFY: what signatures are worth is recorded, over whole sessions (SPEC section 17)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from qmail_smtpd.inspect import memory
from qmail_smtpd.mailauth import dkim
from qmail_smtpd.mailauth.dns import NoSuchName, Temporary

from ..mailauth import dkim_case, dkim_worlds, signer
from ..mailauth.signer import Field
from ..support.activation import Resident
from ..support.home import Home, codes
from ..support.nameserver import NameServer
from ..support.peak import PEAK, kept
from ..support.processes import BIN, ROOT, program

MORE = next(sizes for name, *sizes, _ in memory.MORE if name == "DKIM")
DOCUMENTED = [plain + more for plain, more in zip(memory.PLAIN, MORE, strict=True)]  # MB of address space, and of data
LATE = b"late._domainkey.example.org"
WORLDS = dkim_worlds.worlds(150, 5322)
KEYS = {name: records for world in WORLDS for name, records in world.keys.items()}


def answer(name: bytes, rtype: str) -> list[Any]:
    if rtype != "TXT":
        return []
    if name.lower() == LATE:
        raise Temporary
    if name.lower() == dkim_case.NAME:
        return [dkim_case.record()]
    if name.lower() in KEYS:
        return KEYS[name.lower()]
    raise NoSuchName


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with NameServer(answer) as running:
        yield running


class Site:
    def __init__(self, home: Home, server: NameServer) -> None:
        self.home = home
        self.env = {"DKIMVERIFY": "", "DNSCACHEIP": f"127.0.0.1:{server.port}", "LOGFORMAT": "json"}

    def results(self, messages: list[bytes], **env: str) -> list[list[tuple[str, str]]]:
        """Result and reason of each signature of each message, all sent in one session."""
        session = b"HELO client.test\r\n"
        for message in messages:
            text = (b"\n" + message).replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")[2:]
            session += b"MAIL FROM:<u@other.test>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n%b.\r\n" % text
        run = self.home.smtp(session + b"QUIT\r\n", **{**self.env, **env})
        assert codes(run.stdout) == [220, 250, *[250, 250, 354, 250] * len(messages), 221], run.stderr
        events = [json.loads(line) for line in run.stderr.splitlines()]
        self.told = [event["results"] for event in events if event["event"] == "message"]
        return [[(fact["result"], fact["reason"]) for fact in facts if fact["method"] == "dkim"] for facts in self.told]

    def fields(self) -> list[bytes]:
        """The first field of each message that was queued, unfolded."""
        return [each.message.replace(b"\n\t", b" ").split(b"\n")[0] for each in self.home.queued()]


@pytest.fixture
def site(home: Home, server: NameServer) -> Site:
    return Site(home, server)


def message(*signatures: Field, fields: list[Field] = dkim_case.FIELDS, body: bytes = dkim_case.BODY) -> bytes:
    return signer.joined([*signatures, *fields], body)


def test_results_and_where_they_stand(site: Site) -> None:
    good, changed = dkim_case.signed(), dkim_case.signed(c="simple/simple")
    late, unknown = dkim_case.signed(s="late"), dkim_case.signed(s="unknown")
    messages = [
        message(),
        message(good),
        message(changed, body=b"other\n"),
        message(late),
        message(unknown, good),
        message((b"DKIM-Signature", b" garbage")),
    ]
    assert site.results(messages) == [
        [("none", "no signature")],
        [("pass", "")],
        [("fail", "the body has changed")],
        [("temperror", "SERVFAIL")],
        [("permerror", "there is no key"), ("pass", "")],
        [("neutral", "not a list of tags")],
    ]
    (fact,) = (fact for fact in site.told[1] if fact["method"] == "dkim")
    assert (fact["domain"], fact["record"]) == ("example.org", dkim_case.record().decode())
    named = b" header.d=example.org header.s=%b header.a=rsa-sha256 header.b="
    shown = [b"none;", b"pass" + named % b"one", b"fail" + named % b"one", b"temperror" + named % b"late"]
    shown += [b"permerror" + named % b"unknown", b"neutral;"]
    for field, text in zip(site.fields(), shown, strict=True):
        assert field.startswith(b"Authentication-Results: mx.example.org; dkim=" + text)


def test_long_signatures_hide_no_verdict_from_the_log(site: Site) -> None:
    """A line has room for some of them only."""
    domain = ".".join(["a" * 60] * 3)
    signatures = [dkim_case.signed(d=f"{domain}.{number}", s="s" * 50) for number in range(8)]
    site.results([message(*signatures)], SPFBEHAVIOR="1", DMARCBEHAVIOR="1")
    methods = [fact["method"] for fact in site.told[0]]
    assert methods[:3] == ["spf", "dmarc", "iprev"] and len(methods) < 11


def test_what_is_sent_is_verified_as_it_was_signed(site: Site) -> None:
    """A hundred and fifty messages, most of them spoilt, have the results that they have without a session."""
    expected = [dkim.verify(world.fields, lambda: [world.body], signer.zone(KEYS), dkim_case.NOW) for world in WORLDS]  # noqa: B023
    messages = [world.message for world in WORLDS]
    found = [each for n in range(0, len(messages), 25) for each in site.results(messages[n : n + 25])]
    assert found == [[(each.value, each.reason) for each in results] for results in expected]
    assert sum(("pass", "") in results for results in found) > 40


@pytest.mark.parametrize(
    "body", [b"", b".\n", b"..\n.x\n", b"\r\n\r\r\n", b"8 bit \xff\x00\n", b"no end" * 200, b"\n\n\n", b" \n"]
)
def test_bodies_come_through(site: Site, body: bytes) -> None:
    whole = body if body.endswith(b"\n") or not body else body + b"\n"
    fields = [
        signer.signature(dkim_case.FIELDS, whole, dkim_case.key(), c=f"simple/{c}") for c in ("simple", "relaxed")
    ]
    assert site.results([message(*fields, body=whole)]) == [[("pass", ""), ("pass", "")]]


def test_a_body_that_is_kept_in_a_file(site: Site) -> None:
    body = b"All of them were in good  health. \n\n" * 40_000
    fields = [
        signer.signature(dkim_case.FIELDS, body, dkim_case.key(), c=f"relaxed/{c}") for c in ("simple", "relaxed")
    ]
    assert site.results([message(*fields, body=body)]) == [[("pass", ""), ("pass", "")]]


def test_blanks_before_a_colon_are_signed(site: Site) -> None:
    fields = [(b"From \t", b" a@example.org"), (b"Subject ", b"x")]
    both = [signer.signature(fields, b"x\n", dkim_case.key(), c=c) for c in ("simple", "relaxed")]
    assert site.results([message(*both, fields=fields, body=b"x\n")]) == [[("pass", ""), ("pass", "")]]


def test_a_message_without_a_body(site: Site) -> None:
    field = signer.signature(dkim_case.FIELDS, b"", dkim_case.key())
    whole = message(field, body=b"")
    assert site.results([whole, whole.removesuffix(b"\n")]) == [[("pass", "")], [("pass", "")]]


def test_the_key_is_asked_for_by_the_deadline(site: Site) -> None:
    site.home.control("dnstimeout", "0\n")
    (((result, _),),) = site.results([message(dkim_case.signed())])
    assert result == "temperror"


def peak(site: Site, size: int) -> int:
    """kB of the receiver's own memory while it received and verified so much."""
    body = b"All of them were  in good health.\n" * (size // 34)
    fields = [signer.signature(dkim_case.FIELDS, b"", dkim_case.key(), c=f"relaxed/{c}") for c in ("simple", "relaxed")]
    assert site.results([message(*fields, body=body)]) == [[("fail", "the body has changed")] * 2]
    return kept(site.home)


def test_memory_does_not_grow_with_the_message(site: Site) -> None:
    """60 MB against 1 MB, from the socket to the queue."""
    site.home.program("qmail-queue", PEAK)
    small, large = peak(site, 1 << 20), peak(site, 60 << 20)
    assert large - small < 3 * 1024, (small, large)


LISTER = """
import sys
from qmail_smtpd.checker import Checker
class Lister(Checker):
    def message(self, session, event):
        names = [name for name in ("cryptography", "qmail_smtpd.mailauth.dkim") if name in sys.modules]
        session.transaction.results.append({"method": "imported", "result": " ".join(names), "reason": ""})
def setup(config):
    return Lister()
"""


def test_mail_that_is_not_signed_does_not_pay(site: Site) -> None:
    """Nor does a signature without a key: a check of the site's, asked after ours, sees what is imported by then."""
    (site.home.path / "checkers").mkdir()
    (site.home.path / "checkers/lister.py").write_text(LISTER)
    site.home.control("smtpcheckers", "lister\n")
    site.results([message(), message(dkim_case.signed(s="unknown")), message(dkim_case.signed())])
    imported = [fact["result"] for facts in site.told for fact in facts if fact["method"] == "imported"]
    assert imported == ["", "qmail_smtpd.mailauth.dkim", "cryptography qmail_smtpd.mailauth.dkim"]


PRELOADED = """
import sys
sys.path.insert(0, {root!r})
from qmail_smtpd.checkers import {check} as check
check.preload()
from qmail_smtpd.mailauth import dkim
before = set(sys.modules)
for fields, record in {cases!r}:
    (result,) = dkim.verify(fields, lambda: [{body!r}], lambda name, rtype: [record], {now})
    assert result.value == "pass", result
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("check", ["dkim", "dmarc"])
def test_workers_import_nothing_later(check: str) -> None:
    cases = []
    for kind in ("rsa", "ed25519"):
        key = dkim_case.key(kind)
        field = signer.signature(dkim_case.FIELDS, dkim_case.BODY, key)
        cases.append(([field, *dkim_case.FIELDS], signer.record(key)))
    program = PRELOADED.format(root=str(ROOT), check=check, cases=cases, body=dkim_case.BODY, now=dkim_case.NOW)
    ran = subprocess.run(["/usr/bin/python3", "-IS", "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "\n", ran.stderr


@pytest.mark.unmeasured
def test_workers_within_the_documented_limit(site: Site) -> None:
    """qmail-smtpd(8), MEMORY. The parent loads in advance what each session would load as far as it needs it."""
    site.home.program("qmail-queue", "#!/bin/sh\ncat > /dev/null; cat <&1 > /dev/null\n")
    site.home.smtp("QUIT\r\n")  # the first session after a change of the sources writes the bundle
    limits = [f"--{name}={size * memory.MEGABYTE}" for name, size in zip(("as", "data"), DOCUMENTED, strict=True)]
    argv = [program("prlimit"), *limits, str(BIN / "qmail-smtpd")]
    with Resident(site.home, argv=argv, **site.env) as resident:
        for size in (0, 5_000_000) * 3:
            text = message(dkim_case.signed(), body=dkim_case.BODY + b"x" * size + b"\n").replace(b"\n", b"\r\n")
            with resident.connect() as client:
                client.ask(None, 220)
                client.ask("MAIL FROM:<u@other.test>", 250)
                client.ask("RCPT TO:<u@example.org>", 250)
                client.ask("DATA", 354)
                client.say(text)
                client.ask(".", 250)
                client.quit()
        log = resident.log
    assert log.count("dkim=pass header.d=example.org") == 3, log
    assert not [word for word in ("cannot load", "internal error", "worker ends") if word in log], log
