"""SPF: whether a client may use a domain in MAIL FROM or HELO (RFC 7208; SPEC section 17).

    found = check(lookup, ip, sender, helo, site)

returns an SpfResult and raises nothing. `lookup` is as in dns.py; `ip` has 4 or 16 bytes; `sender` is `local@domain`,
for a bounce `postmaster@HELO`. A record is parsed completely before it is evaluated: an error anywhere in it is a
permerror. For the limits on DNS questions see spf_limits.py.

A Site has mechanisms of our own (control/spfrules), which are evaluated just before an `all` in the record; if one
matches, its result counts instead of that of `all`. They have their own limits on DNS questions; if they cannot be
evaluated they do not match.
"""

from __future__ import annotations

from time import time

from . import spf_macros, spf_record
from .dns import NoSuchName, Temporary
from .names import is_name, within
from .spf_client import ClientAddress
from .spf_limits import PermanentError, Questions
from .spf_macros import SpfSyntaxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .dns import Lookup
    from .spf_macros import Pieces
    from .spf_record import Mechanism, SpfRecord

NONE, NEUTRAL, PASS, FAIL, SOFTFAIL = "none", "neutral", "pass", "fail", "softfail"
TEMPERROR, PERMERROR = "temperror", "permerror"

_RESULTS = {b"+": PASS, b"-": FAIL, b"~": SOFTFAIL, b"?": NEUTRAL}


class SpfResult:
    """One of the seven results and where it comes from. Members are empty where they do not apply."""

    __slots__ = ("result", "domain", "record", "mechanism", "explanation", "explained_by", "reason")

    def __init__(self, result: str, domain: bytes = b"", record: bytes = b"", mechanism: bytes = b"") -> None:
        self.result = result
        self.domain = domain  # that of the record; after redirect= it is not the sender's
        self.record = record
        self.mechanism = mechanism  # the one that matched, as written in the record or in the site's rules
        self.explanation = b""  # of a fail; may contain any byte
        self.explained_by = b""  # the domain that published the explanation; empty if it is the site's
        self.reason = b""  # what is wrong, for an error


class Site:
    """A site's own mechanisms, explanation, and name. Raises SpfSyntaxError."""

    def __init__(self, rules: bytes = b"", explanation: bytes = b"", receiver: bytes = b"unknown") -> None:
        self.rules = spf_record.parse_rules(rules)
        self.explanation = spf_macros.parse_explanation(explanation)
        self.receiver = receiver  # our own name


def check(
    lookup: Lookup, ip: bytes, sender: bytes, helo: bytes, site: Site | None = None, now: Callable[[], float] = time
) -> SpfResult:
    """See the module's docstring. `now` returns seconds since the epoch, for the macro letter t."""
    local, _, domain = sender.rpartition(b"@")
    return _Evaluation(
        lookup, ClientAddress(ip, lookup), local or b"postmaster", domain, helo, site or Site(), now
    ).run()


class _Evaluation:
    """One check_host() of RFC 7208 section 4, with all that it includes and redirects to."""

    def __init__(
        self,
        lookup: Lookup,
        client: ClientAddress,
        local: bytes,
        domain: bytes,
        helo: bytes,
        site: Site,
        now: Callable[[], float],
    ) -> None:
        self._lookup = lookup
        self._questions = Questions(lookup)
        self._client = client
        self._domain = domain.removesuffix(b".")
        self._site = site
        self._at = SpfResult(NONE)  # the term that is being evaluated, for errors
        self._letters: dict[bytes, Callable[[], bytes]] = {
            b"s": lambda: local + b"@" + domain,
            b"l": lambda: local,
            b"o": lambda: domain,
            b"i": client.dotted,
            b"c": client.readable,
            b"v": client.tree,
            b"h": lambda: helo,
            b"r": lambda: site.receiver,
            b"t": lambda: b"%d" % now(),
        }

    def run(self) -> SpfResult:
        try:
            found = self._check_host(self._domain)
        except (SpfSyntaxError, PermanentError) as trouble:
            return self._error(PERMERROR, trouble)
        except Temporary as trouble:
            return self._error(TEMPERROR, trouble)
        return found

    def _error(self, result: str, trouble: Exception) -> SpfResult:
        found = self._at
        found.result = result
        found.reason = str(trouble).encode(errors="replace")
        return found

    def _check_host(self, domain: bytes, included: bool = False) -> SpfResult:
        """The result by the record of a domain. Raises SpfSyntaxError, PermanentError and Temporary."""
        self._at = SpfResult(NONE, domain)
        text = self._record(domain)
        if text is None:
            return SpfResult(NONE, domain)
        self._at.record = text
        record = spf_record.parse(text)
        found = self._first_match(record.mechanisms, domain, text, included)
        if found is None and record.redirect:
            return self._redirected(record, domain, included)
        if found is None:
            return SpfResult(NEUTRAL, domain, text)
        if found.result == FAIL and not included:
            self._explain(found, record)
        return found

    def _record(self, domain: bytes) -> bytes | None:
        if b"." not in domain or domain.startswith(b"[") or not is_name(domain):
            return None
        try:
            return spf_record.select(self._lookup(domain, "TXT"))
        except NoSuchName:
            return None

    def _redirected(self, record: SpfRecord, domain: bytes, included: bool) -> SpfResult:
        self._at = SpfResult(NONE, domain, record.text, b"redirect=")
        self._questions.next_term()
        target = self._name(record.redirect, domain)
        found = self._check_host(target, included)
        if found.result == NONE:
            raise PermanentError("redirect= to a domain without a record")
        return found

    def _first_match(
        self, mechanisms: list[Mechanism], domain: bytes, text: bytes, included: bool = True
    ) -> SpfResult | None:
        for mechanism in mechanisms:
            if mechanism.kind == b"all" and not included and self._site.rules:
                found = self._by_the_site(domain)
                if found:
                    return found
            self._at = SpfResult(NONE, domain, text, mechanism.text)
            if _MATCHERS[mechanism.kind](self, mechanism, domain):
                return SpfResult(_RESULTS[mechanism.qualifier], domain, text, mechanism.text)
        return None

    def _by_the_site(self, domain: bytes) -> SpfResult | None:
        """The result of the site's own mechanisms, None if none matches or they cannot be evaluated."""
        ours, self._questions = self._questions, Questions(self._lookup)
        try:
            return self._first_match(self._site.rules, domain, b"")
        except (SpfSyntaxError, PermanentError):
            return None
        finally:
            self._questions = ours

    def _all(self, mechanism: Mechanism, domain: bytes) -> bool:
        return True

    def _ip(self, mechanism: Mechanism, domain: bytes) -> bool:
        return self._client.within(mechanism.network, mechanism.bits)

    def _include(self, mechanism: Mechanism, domain: bytes) -> bool:
        self._questions.next_term()
        found = self._check_host(self._name(mechanism.target, domain), included=True)
        if found.result == NONE:
            raise PermanentError("include of a domain without a record")
        return found.result == PASS

    def _a(self, mechanism: Mechanism, domain: bytes) -> bool:
        self._questions.next_term()
        return self._has_client(self._name(mechanism.target, domain), mechanism)

    def _mx(self, mechanism: Mechanism, domain: bytes) -> bool:
        self._questions.next_term()
        hosts = self._questions.hosts(self._name(mechanism.target, domain))
        return any(self._has_client(host, mechanism) for host in hosts)

    def _ptr(self, mechanism: Mechanism, domain: bytes) -> bool:
        self._questions.next_term()
        target = self._name(mechanism.target, domain).lower()
        return any(within(name, target) for name in self._client.names())

    def _exists(self, mechanism: Mechanism, domain: bytes) -> bool:
        self._questions.next_term()
        return bool(self._questions.ask(self._name(mechanism.target, domain), "A"))

    def _has_client(self, host: bytes, mechanism: Mechanism) -> bool:
        addresses = self._questions.ask(host, self._client.rtype)
        return any(self._client.within(address, mechanism.bits) for address in addresses)

    def _explain(self, found: SpfResult, record: SpfRecord) -> None:
        """Add the explanation of a fail: the one that the domain publishes, if the fail is by its record and the text
        is valid; else the site's."""
        pieces = self._published(record.exp, found.domain) if found.record and record.exp else ()
        try:
            found.explanation = spf_macros.explanation(pieces or self._site.explanation, self._value(found.domain))
        except Temporary:  # the macro for the client's name needs the DNS
            return
        found.explained_by = found.domain if pieces else b""

    def _published(self, target: Pieces, domain: bytes) -> Pieces:
        try:
            texts = self._lookup(self._name(target, domain), "TXT")
            return spf_macros.parse_explanation(texts[0]) if len(texts) == 1 else ()
        except (NoSuchName, Temporary, SpfSyntaxError):
            return ()

    def _name(self, target: Pieces, domain: bytes) -> bytes:
        return spf_macros.name(target, self._value(domain)) if target else domain

    def _value(self, domain: bytes) -> Callable[[bytes], bytes]:
        """The values of the macro letters within the record of a domain."""

        def value(letter: bytes) -> bytes:
            if letter == b"d":
                return domain
            return self._client.name(domain) if letter == b"p" else self._letters[letter]()

        return value


_MATCHERS: dict[bytes, Callable[[_Evaluation, Mechanism, bytes], bool]] = {
    b"all": _Evaluation._all,
    b"include": _Evaluation._include,
    b"a": _Evaluation._a,
    b"mx": _Evaluation._mx,
    b"ptr": _Evaluation._ptr,
    b"exists": _Evaluation._exists,
    b"ip4": _Evaluation._ip,
    b"ip6": _Evaluation._ip,
}
