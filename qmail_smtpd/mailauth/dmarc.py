"""DMARC: whether SPF or DKIM confirms the domain in the From field (RFC 9989; SPEC section 17).

    verdict = evaluate(author, identifiers, lookup)
    verdict = evaluate(author, identifiers, lookup, ahead)

`author` is the canonical domain of the From field (from_field.py); `identifiers` are the domains that SPF and DKIM have
found, with their results. A domain is aligned if it belongs to the same organization as `author`. The result is one of

    pass        an identifier with the result pass is aligned
    fail        no such identifier is aligned
    none        there is no DMARC record, or none that asks for anything
    temperror   the DNS gives no answer, or an aligned identifier has the result temperror

`policy` is what the record asks for, with sp, np and t applied. Organizations are found by the tree walk of section
4.10, with at most eight DNS questions for each name, and one more for the policy. `ahead`, if given, is called with the
questions of a walk before the first of them. Raises nothing.
"""

from __future__ import annotations

from . import dmarc_record
from .dns import NoSuchName, Temporary
from .names import LONGEST, canonical, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .dmarc_record import DmarcRecord
    from .dns import Lookup

    Ahead = Callable[[list[tuple[bytes, str]]], object]

PREFIX = b"_dmarc."
MOST_LABELS = 7  # labels of the names that a walk asks for above the one where it starts


class Identifier:
    """A domain that SPF or DKIM has found. `method` is spf or dkim, `result` their result."""

    __slots__ = ("method", "result", "domain")

    def __init__(self, method: str, result: str, domain: bytes) -> None:
        self.method = method
        self.result = result
        self.domain = canonical(domain)


class DmarcResult:
    """`domain` is that of the record, `policy` is None if no policy applies."""

    __slots__ = ("result", "policy", "domain", "record", "reason")

    def __init__(self, result: str, reason: str = "") -> None:
        self.result = result
        self.reason = reason
        self.policy: bytes | None = None
        self.domain = b""
        self.record = b""


def evaluate(
    author: bytes, identifiers: Iterable[Identifier], lookup: Lookup, ahead: Ahead | None = None
) -> DmarcResult:
    """See the module's docstring."""
    try:
        return _evaluate(Tree(lookup, ahead), author, identifiers)
    except Temporary as trouble:
        return DmarcResult("temperror", _text(trouble))


def _evaluate(tree: Tree, author: bytes, identifiers: Iterable[Identifier]) -> DmarcResult:
    domain, record = tree.policy(author)
    if record is None:
        return DmarcResult("none", "no record")
    unusable = DmarcResult("none", "the record has no valid policy")
    found = _judge(tree, author, record, identifiers) if record.usable else unusable
    found.domain, found.record = domain, record.text
    if found.result in ("pass", "fail"):
        found.policy = _policy(tree, author, domain, record, found.result)
    return found


def _policy(tree: Tree, author: bytes, domain: bytes, record: DmarcRecord, result: str) -> bytes | None:
    """The policy that the record asks for; None if the DNS does not tell which one applies and the result is pass, for
    which it does not matter. Raises Temporary if the DNS does not tell it for another result."""
    try:
        return record.applies(domain != author, lambda: tree.missing(author))
    except Temporary:
        if result == "pass":
            return None
        raise


def _judge(tree: Tree, author: bytes, record: DmarcRecord, identifiers: Iterable[Identifier]) -> DmarcResult:
    """pass if an aligned identifier passed. Otherwise temperror if one might pass later, else fail."""
    trouble = ""
    for wanted in ("pass", "temperror"):
        for each in identifiers:
            if each.result != wanted:
                continue
            try:
                aligned = tree.aligned(author, record, each)
            except Temporary as error:
                trouble = trouble or _text(error)
                continue
            name = f"{each.method} of {(each.domain or b'').decode(errors='replace')}"
            if aligned and wanted == "pass":
                return DmarcResult("pass", name)
            if aligned:
                trouble = trouble or f"temperror of {name}"
    return DmarcResult("temperror", trouble) if trouble else DmarcResult("fail", "no aligned SPF or DKIM pass")


def _text(trouble: Temporary) -> str:
    return str(trouble) or "no answer"


class Tree:
    """The DMARC records of names; each name is looked up once. Raises Temporary."""

    def __init__(self, lookup: Lookup, ahead: Ahead | None = None) -> None:
        self._lookup = lookup
        self._ahead = ahead
        self._records: dict[bytes, DmarcRecord | None] = {}

    def policy(self, author: bytes) -> tuple[bytes, DmarcRecord | None]:
        """The domain and the record that apply to mail from `author`: its own record, else that of its organizational
        domain, else that of the public suffix; (author, None) without one (section 4.10.1)."""
        record = self.record(author)
        if record is not None:
            return author, record
        found = self._walk(author)
        organization = _organizational(author, found)
        record = self.record(organization)  # the walk has not asked for it if it skipped it or began at a public suffix
        if record is not None:
            return organization, record
        return found[-1] if found else (author, None)

    def aligned(self, author: bytes, record: DmarcRecord, identifier: Identifier) -> bool:
        """Whether the identifier's domain is aligned with `author`: the same, or, unless the record demands strict
        alignment, of the same organizational domain (section 4.10.2)."""
        domain = identifier.domain
        if domain is None or domain == author:
            return domain == author
        if record.strict_spf if identifier.method == "spf" else record.strict_dkim:
            return False
        organization = self.organizational(author)
        return within(domain, organization) and self.organizational(domain) == organization

    def organizational(self, domain: bytes) -> bytes:
        """The organizational domain of a domain."""
        return _organizational(domain, self._walk(domain))

    def missing(self, domain: bytes) -> bool:
        """Whether a name does not exist in the DNS (RFC 8020)."""
        try:
            self._lookup(domain, "A")
            return False
        except NoSuchName:
            return True

    def record(self, domain: bytes) -> DmarcRecord | None:
        """The DMARC record of a domain, None if there is none or more than one."""
        if domain not in self._records:
            found = [record for text in self._texts(PREFIX + domain) if (record := dmarc_record.read(text)) is not None]
            self._records[domain] = found[0] if len(found) == 1 else None
        return self._records[domain]

    def _texts(self, name: bytes) -> list[bytes]:
        if len(name) > LONGEST:
            return []
        try:
            return self._lookup(name, "TXT")
        except NoSuchName:
            return []

    def _walk(self, start: bytes) -> list[tuple[bytes, DmarcRecord]]:
        """(domain, record) for each record from `start` upwards, up to one whose tag psd ends the walk."""
        found = []
        names = list(targets(start))
        if self._ahead is not None:  # nearly every walk goes up to its end
            missing = [PREFIX + name for name in names if name not in self._records]
            self._ahead([(name, "TXT") for name in missing if len(name) <= LONGEST])
        for domain in names:
            record = self.record(domain)
            if record is not None:
                found.append((domain, record))
                if record.psd in (b"y", b"n"):
                    break
        return found


def targets(start: bytes) -> Iterator[bytes]:
    """The names whose records a walk from `start` asks for, the longest first."""
    yield start
    labels = start.split(b".")
    for first in range(max(len(labels) - MOST_LABELS, 1), len(labels)):
        yield b".".join(labels[first:])


def _organizational(start: bytes, found: list[tuple[bytes, DmarcRecord]]) -> bytes:
    for domain, record in found:
        if record.psd == b"n":
            return domain
        if record.psd == b"y" and domain != start:
            labels = start.split(b".")
            return b".".join(labels[-domain.count(b".") - 2 :])
    return found[-1][0] if found else start
