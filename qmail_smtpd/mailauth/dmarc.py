"""DMARC: is one of the names that SPF and DKIM vouch for the author's? (RFC 9989; SPEC section 17.)

    verdict = evaluate(author, identifiers, lookup)

`author` is the canonical domain of the From field (from_field.py), `identifiers` what the other methods found. The
result is one of

    pass        an identifier that passed is aligned
    fail        none is
    none        no record, or none that asks for anything: DMARC does not apply
    temperror   the DNS does not say now, or an aligned identifier may yet pass

and `policy` is what the record asks for, after sp, np and t. Which names belong together is found by the tree walk of
section 4.10, at most eight questions for a name. Nothing is raised.
"""

from __future__ import annotations

from . import dmarc_record
from .dns import NoSuchName, Temporary
from .names import LONGEST, canonical, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .dmarc_record import DmarcRecord
    from .dns import Lookup

PREFIX = b"_dmarc."
MOST_LABELS = 7  # of the names above the one where the walk starts


class Identifier:
    """What `method`, spf or dkim, said of a domain: `pass`, `temperror` or anything else."""

    __slots__ = ("method", "result", "domain")

    def __init__(self, method: str, result: str, domain: bytes) -> None:
        self.method = method
        self.result = result
        self.domain = canonical(domain)


class DmarcResult:
    """`domain` is where the record was found, `policy` None where none applies."""

    __slots__ = ("result", "policy", "domain", "record", "reason")

    def __init__(self, result: str, reason: str = "") -> None:
        self.result = result
        self.reason = reason
        self.policy: bytes | None = None
        self.domain = b""
        self.record = b""


def evaluate(author: bytes, identifiers: Iterable[Identifier], lookup: Lookup) -> DmarcResult:
    try:
        return _evaluate(Tree(lookup), author, identifiers)
    except Temporary as trouble:
        return DmarcResult("temperror", _text(trouble))


def _evaluate(tree: Tree, author: bytes, identifiers: Iterable[Identifier]) -> DmarcResult:
    domain, record = tree.policy(author)
    if record is None:
        return DmarcResult("none", "no record")
    unusable = DmarcResult("none", "the record asks nothing")
    found = _judge(tree, author, record, identifiers) if record.usable else unusable
    found.domain, found.record = domain, record.text
    if found.result in ("pass", "fail"):
        found.policy = _policy(tree, author, domain, record, found.result)
    return found


def _policy(tree: Tree, author: bytes, domain: bytes, record: DmarcRecord, result: str) -> bytes | None:
    """What the record asks for. Raises Temporary, but not for a pass, which is one whatever the policy is."""
    try:
        return record.applies(domain != author, lambda: tree.missing(author))
    except Temporary:
        if result == "pass":
            return None
        raise


def _judge(tree: Tree, author: bytes, record: DmarcRecord, identifiers: Iterable[Identifier]) -> DmarcResult:
    """By the first aligned identifier that passed; those that may yet pass come last."""
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
    return DmarcResult("temperror", trouble) if trouble else DmarcResult("fail", "nothing that passed is aligned")


def _text(trouble: Temporary) -> str:
    return str(trouble) or "no answer"


class Tree:
    """The records of names, each asked for once."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._records: dict[bytes, DmarcRecord | None] = {}

    def policy(self, author: bytes) -> tuple[bytes, DmarcRecord | None]:
        """The record for mail from `author` and the domain it stands at: its own, else that of its organizational
        domain, else that of the public suffix (section 4.10.1)."""
        record = self.record(author)
        if record is not None:
            return author, record
        found = self._walk(author)
        organization = _organizational(author, found)
        record = self.record(organization)  # the walk has been there, unless it begins at a public suffix above it
        if record is not None:
            return organization, record
        return found[-1] if found else (author, None)

    def aligned(self, author: bytes, record: DmarcRecord, identifier: Identifier) -> bool:
        """Whether the names belong together, strictly or by their organizational domain (section 4.10.2)."""
        domain = identifier.domain
        if domain is None or domain == author:
            return domain == author
        if record.strict_spf if identifier.method == "spf" else record.strict_dkim:
            return False
        organization = self.organizational(author)
        return within(domain, organization) and self.organizational(domain) == organization

    def organizational(self, domain: bytes) -> bytes:
        return _organizational(domain, self._walk(domain))

    def missing(self, domain: bytes) -> bool:
        """Whether a name is not in the DNS (RFC 8020)."""
        try:
            self._lookup(domain, "A")
            return False
        except NoSuchName:
            return True

    def record(self, domain: bytes) -> DmarcRecord | None:
        """The one DMARC record of a domain, None if there are none or several. Raises Temporary."""
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
        """The records from `start` upwards, up to one whose psd says that the walk is over."""
        found = []
        for domain in targets(start):
            record = self.record(domain)
            if record is not None:
                found.append((domain, record))
                if record.psd in (b"y", b"n"):
                    break
        return found


def targets(start: bytes) -> Iterator[bytes]:
    """The names that a walk asks for, the longest first."""
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
