"""The SPF result of a transaction, found once, for the checks that want it (SPEC section 17; RFC 7208).

MAIL FROM is checked; for a bounce the name in HELO, as postmaster@HELO. The site's own mechanisms are those of
control/spfrules, its explanation is control/spfexp; what cannot be read there raises ControlError.

Where the site's mechanisms let a client pass, the domain does not stand by it: others are told `policy` (RFC 8601
section 2.7.2), so that neither DMARC nor a reader of the field takes it for a pass of the domain.
"""

from __future__ import annotations

from ..control.files import ControlError
from ..mailauth import results, spf
from ..mailauth.names import canonical
from ..mailauth.spf_macros import SyntaxTrouble, parse_explanation
from ..mailauth.spf_record import parse_rules
from ..smtp import ip
from . import _authentication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session

NOTE = "spf"


class Spf:
    def __init__(self, config: Config) -> None:
        """Raises ControlError."""
        self._site = site(config)

    def found(self, session: Session) -> spf.SpfResult:
        """The result, which the others know of from now on."""
        assert session.transaction is not None
        notes = session.transaction.notes
        if NOTE not in notes:
            notes[NOTE] = self._check(session)
        found: spf.SpfResult = notes[NOTE]
        return found

    def _check(self, session: Session) -> spf.SpfResult:
        assert session.transaction is not None
        known = _authentication.of(session)
        helo = session.helo or b"unknown"
        bounce, sender = session.transaction.bounce, session.transaction.sender
        identity = in_a_labels(b"postmaster@" + helo if bounce else sender)
        client = ip.parse(session.client.ip)
        if client is None or b"@" not in identity:
            found = spf.SpfResult(spf.NONE)
        else:
            found = spf.check(known.lookup, client, identity, helo, self._site)
        domain = identity.rpartition(b"@")[2]
        # The domain alone: OpenDMARC aligns nothing else.
        properties = [("smtp.helo", helo)] if bounce else [("smtp.mailfrom", domain)]
        reason = origin(found).decode(errors="replace")
        ours = found.result == spf.PASS and _is_of_the_site(found)
        value = "policy" if ours else found.result.decode()
        known.add(results.Result("spf", value, properties, domain, reason, found.record))
        return found


def in_a_labels(address: bytes) -> bytes:
    """With its domain as the DNS knows it (RFC 8616 section 3); one that cannot be in the DNS stays as it is."""
    local, at, domain = address.rpartition(b"@")
    return address if domain.isascii() else local + at + (canonical(domain) or domain)


def site(config: Config) -> spf.Site:
    """What the site adds. Raises ControlError."""
    control = config.control
    lines = {name: control.line(name) or b"" for name in ("spfrules", "spfexp")}
    for name, read in (("spfrules", parse_rules), ("spfexp", parse_explanation)):
        try:
            read(lines[name])
        except SyntaxTrouble as trouble:
            raise ControlError(control.path(name), str(trouble).encode()) from None
    return spf.Site(lines["spfrules"], lines["spfexp"], config.me)


def _is_of_the_site(found: spf.SpfResult) -> bool:
    return bool(found.mechanism) and not found.record


def origin(found: spf.SpfResult) -> bytes:
    """Which term of whose record it was, and for errors what is wrong with it."""
    where = b"control/spfrules" if _is_of_the_site(found) else found.domain
    return b": ".join(part for part in (where, found.mechanism, found.reason) if part)
