"""The SPF result of a transaction, determined once for all checks (SPEC section 17; RFC 7208).

The sender of MAIL FROM is checked; for a bounce the name in HELO, as postmaster@HELO. control/spfrules has additional
mechanisms of the site, control/spfexp its explanation; a syntax error in them raises ControlError.

If a mechanism of the site lets the client pass, this does not mean that the domain has authorized it: the result that
other checks and the header get is `policy` (RFC 8601 section 2.7.2), which neither DMARC nor a reader of the field
mistakes for a pass of the domain.
"""

from __future__ import annotations

from ..control.files import ControlError
from ..mailauth import results, spf
from ..mailauth.names import canonical
from ..mailauth.spf_macros import SpfSyntaxError, parse_explanation
from ..mailauth.spf_record import parse_rules
from ..smtp import ip
from . import _authentication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session

NOTE = "spf"


class Spf:
    """SPF with a site's settings. Raises ControlError."""

    def __init__(self, config: Config) -> None:
        self._site = site(config)

    def found(self, session: Session) -> spf.SpfResult:
        """The result for the current transaction. The first call determines it and adds it to the transaction's
        Authentication."""
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
        # Only the domain: OpenDMARC cannot align a whole address.
        properties = [("smtp.helo", helo)] if bounce else [("smtp.mailfrom", domain)]
        reason = origin(found).decode(errors="replace")
        ours = found.result == spf.PASS and _is_of_the_site(found)
        value = "policy" if ours else found.result
        known.add(results.Result("spf", value, properties, domain, reason, found.record))
        return found


def in_a_labels(address: bytes) -> bytes:
    """The address with its domain as A-labels (RFC 8616 section 3); unchanged if the domain cannot be in the DNS."""
    local, at, domain = address.rpartition(b"@")
    return address if domain.isascii() else local + at + (canonical(domain) or domain)


def site(config: Config) -> spf.Site:
    """The site's settings: control/spfrules and control/spfexp, checked for syntax. Raises ControlError."""
    control = config.control
    lines = {name: control.line(name) or b"" for name in ("spfrules", "spfexp")}
    for name, read in (("spfrules", parse_rules), ("spfexp", parse_explanation)):
        try:
            read(lines[name])
        except SpfSyntaxError as trouble:
            raise ControlError(control.path(name), str(trouble).encode()) from None
    return spf.Site(lines["spfrules"], lines["spfexp"], config.me)


def _is_of_the_site(found: spf.SpfResult) -> bool:
    """Whether a mechanism of control/spfrules decided, not one of the domain's record."""
    return bool(found.mechanism) and not found.record


def origin(found: spf.SpfResult) -> bytes:
    """Where the result comes from: the domain of the record (or control/spfrules), the mechanism, and for errors what
    is wrong."""
    where = b"control/spfrules" if _is_of_the_site(found) else found.domain
    return b": ".join(part for part in (where, found.mechanism, found.reason) if part)
