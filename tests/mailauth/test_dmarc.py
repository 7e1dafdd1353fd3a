"""DMARC by RFC 9989: the tree walk and its examples, alignment, policies, and a DNS that does not answer."""

from __future__ import annotations

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from qmail_smtpd.mailauth.dmarc import DmarcResult, Identifier, Tree, evaluate, targets
from qmail_smtpd.mailauth.dns import NoSuchName, Temporary

P = "v=DMARC1; p=reject"


class Zone:
    """DMARC records by domain, or an exception; None for a name that is there without one. `asked`: the questions."""

    def __init__(self, records: dict[str, object]) -> None:
        self.records = records
        self.asked: list[str] = []

    def __call__(self, name: bytes, rtype: str) -> list[bytes]:
        text = name.decode()
        self.asked.append(text)
        found = self.records.get(text.removeprefix("_dmarc."))
        if isinstance(found, type) and issubclass(found, Exception):
            raise found("broken")
        if rtype == "A":
            if found is None and text not in self.records:
                raise NoSuchName
            return []
        if found is None:
            raise NoSuchName
        return [each.encode() for each in ([found] if isinstance(found, str) else found)]  # type: ignore[union-attr]


def walked(domain: str) -> list[str]:
    return [target.decode() for target in targets(domain.encode())]


def test_the_walk_of_section_4_10() -> None:
    assert walked("a.b.c.d.e.f.g.h.i.j.mail.example.com") == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]


def test_the_walk_of_section_5_1_8() -> None:
    assert walked("mail.a.b.c.d.e.f.g.example.com")[1:3] == ["c.d.e.f.g.example.com", "d.e.f.g.example.com"]


@pytest.mark.parametrize(("labels", "questions"), [(1, 1), (2, 2), (7, 7), (8, 8), (9, 8), (100, 8)])
def test_a_walk_is_eight_questions_long(labels: int, questions: int) -> None:
    zone = Zone({})
    Tree(zone).organizational(b".".join([b"a"] * labels))
    assert len(zone.asked) == len(set(zone.asked)) == questions


def test_a_walk_is_asked_for_at_once() -> None:
    told: list[list[tuple[bytes, str]]] = []
    zone = Zone({"example.org": P})
    identifiers = [Identifier("dkim", "pass", b"mail.example.org"), Identifier("spf", "pass", b"other.test")]
    found = evaluate(b"a.b.example.org", identifiers, zone, told.append)
    assert found.result == "pass"
    walks = [["_dmarc.b.example.org", "_dmarc.example.org", "_dmarc.org"], ["_dmarc.mail.example.org"]]
    assert [[name.decode() for name, _ in questions] for questions in told if questions] == walks
    assert zone.asked == ["_dmarc.a.b.example.org", *walks[0], *walks[1]]


ORGANIZATIONAL: tuple[tuple[str, dict[str, object], str, str], ...] = (
    ("4.10.2, first", {"mail.example.com": P, "example.com": P}, "a.mail.example.com", "example.com"),
    ("4.10.2, psd=n", {"mail.example.com": P + "; psd=n", "example.com": P}, "a.mail.example.com", "mail.example.com"),
    ("4.10.2, psd=y", {"com": P + "; psd=y"}, "a.mail.example.com", "example.com"),
    ("4.10.2, psd=y one above", {"example.com": P + "; psd=y"}, "mail.example.com", "mail.example.com"),
    ("B.4.1", {"example.com": P, "signing.example.com": P}, "signing.example.com", "example.com"),
    ("B.4.2", {"example.com": P}, "a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com"),
    (
        "B.4.3 author",
        {"bank.example": P + "; psd=y", "giant.bank.example": P},
        "giant.bank.example",
        "giant.bank.example",
    ),
    (
        "B.4.3 SPF",
        {"bank.example": P + "; psd=y", "giant.bank.example": P},
        "mail.giant.bank.example",
        "giant.bank.example",
    ),
    ("B.4.3 DKIM", {"bank.example": P + "; psd=y"}, "mail.mega.bank.example", "mega.bank.example"),
    ("no record", {}, "a.example.com", "a.example.com"),
    ("psd=y where the walk starts", {"example.com": P + "; psd=y", "com": P}, "example.com", "example.com"),
    (
        "psd=n where the walk starts",
        {"a.example.com": P + "; psd=n", "example.com": P},
        "a.example.com",
        "a.example.com",
    ),
    ("psd=u is the default", {"a.example.com": P + "; psd=u", "example.com": P}, "a.example.com", "example.com"),
    ("several records are none", {"a.example.com": P, "example.com": [P, P]}, "a.example.com", "a.example.com"),
    ("other texts do not count", {"example.com": ["v=spf1 -all", P, "x"]}, "a.example.com", "example.com"),
    ("no DMARC comes of it, but it is one", {"example.com": "v=DMARC1"}, "a.example.com", "example.com"),
)


@pytest.mark.parametrize(
    ("records", "domain", "organization"), [row[1:] for row in ORGANIZATIONAL], ids=lambda v: str(v)
)
def test_organizational_domain(records: dict[str, object], domain: str, organization: str) -> None:
    assert Tree(Zone(records)).organizational(domain.encode()).decode() == organization


def judged(zone: Zone, author: str, *identifiers: tuple[str, str, str]) -> DmarcResult:
    return evaluate(
        author.encode(), [Identifier(method, result, domain.encode()) for method, result, domain in identifiers], zone
    )


BANKS: dict[str, object] = {"bank.example": P + "; psd=y", "giant.bank.example": P}
EXAMPLE: dict[str, object] = {"example.com": P}
STRICT: dict[str, object] = {"example.com": P + "; adkim=s; aspf=s"}
ALIGNMENT: tuple[tuple[dict[str, object], str, tuple[str, str, str], str], ...] = (
    # B.1: SPF, then DKIM
    (EXAMPLE, "example.com", ("spf", "pass", "example.com"), "pass"),
    (EXAMPLE, "example.com", ("spf", "pass", "child.example.com"), "pass"),
    (EXAMPLE, "child.example.com", ("spf", "pass", "example.net"), "fail"),
    (EXAMPLE, "example.com", ("dkim", "pass", "example.com"), "pass"),
    (EXAMPLE, "child.example.com", ("dkim", "pass", "example.com"), "pass"),
    (EXAMPLE, "child.example.com", ("dkim", "pass", "example.net"), "fail"),
    (STRICT, "example.com", ("spf", "pass", "example.com"), "pass"),
    (STRICT, "example.com", ("spf", "pass", "child.example.com"), "fail"),
    (STRICT, "example.com", ("dkim", "pass", "child.example.com"), "fail"),
    ({"example.com": P + "; aspf=s"}, "example.com", ("dkim", "pass", "child.example.com"), "pass"),
    ({"example.com": P + "; adkim=s"}, "example.com", ("spf", "pass", "child.example.com"), "pass"),
    # B.4
    ({"example.com": P, "signing.example.com": P}, "example.com", ("dkim", "pass", "signing.example.com"), "pass"),
    (EXAMPLE, "a.b.c.d.e.f.g.h.i.j.k.example.com", ("dkim", "pass", "signing.example.com"), "pass"),
    (BANKS, "giant.bank.example", ("spf", "pass", "mail.giant.bank.example"), "pass"),
    (BANKS, "giant.bank.example", ("dkim", "pass", "mail.mega.bank.example"), "fail"),
    # Others
    (EXAMPLE, "example.com", ("dkim", "pass", "com"), "fail"),
    (EXAMPLE, "example.com", ("dkim", "pass", "badexample.com"), "fail"),
    (EXAMPLE, "example.com", ("dkim", "pass", "EXAMPLE.com."), "pass"),
    (EXAMPLE, "example.com", ("dkim", "pass", ""), "fail"),
    (EXAMPLE, "example.com", ("spf", "fail", "example.com"), "fail"),
    (EXAMPLE, "example.com", ("spf", "softfail", "example.com"), "fail"),
    (EXAMPLE, "example.com", ("dkim", "policy", "example.com"), "fail"),
    ({"com": P, "example.com": P + "; psd=n"}, "example.com", ("dkim", "pass", "other.com"), "fail"),
    ({"com": P}, "example.com", ("dkim", "pass", "other.com"), "pass"),  # a suffix without psd=y: their mistake
    ({"sub.example.com": P + "; psd=n", **EXAMPLE}, "example.com", ("dkim", "pass", "sub.example.com"), "fail"),
    (EXAMPLE, "example.com", ("spf", "temperror", "example.com"), "temperror"),
    (EXAMPLE, "example.com", ("dkim", "temperror", "a.example.com"), "temperror"),
    (EXAMPLE, "example.com", ("dkim", "temperror", "evil.test"), "fail"),  # it could not be aligned anyway
    (STRICT, "example.com", ("dkim", "temperror", "a.example.com"), "fail"),
    ({"a.example.com": Temporary, **EXAMPLE}, "example.com", ("dkim", "pass", "a.example.com"), "temperror"),
    ({"a.example.com": Temporary, **EXAMPLE}, "example.com", ("dkim", "fail", "a.example.com"), "fail"),
)


@pytest.mark.parametrize(("records", "author", "identifier", "result"), ALIGNMENT)
def test_alignment(records: dict[str, object], author: str, identifier: tuple[str, str, str], result: str) -> None:
    verdict = judged(Zone(records), author, identifier)
    assert verdict.result == result
    assert verdict.policy == (None if result == "temperror" else b"reject")


def test_one_of_many_is_enough_whatever_the_others_are() -> None:
    zone = Zone({"a.example.com": Temporary, "example.com": P})
    others = [("dkim", "temperror", "example.com"), ("dkim", "pass", "a.example.com"), ("dkim", "fail", "example.com")]
    assert judged(zone, "example.com", *others, ("spf", "pass", "b.example.com")).result == "pass"


def test_names_that_cannot_be_aligned_cost_no_question() -> None:
    zone = Zone({"example.com": P})
    judged(zone, "example.com", *(("dkim", "pass", f"{n}.evil.test") for n in range(8)))
    assert zone.asked == ["_dmarc.example.com", "_dmarc.com"]


# The records, the author, and the policy that applies to a message nobody vouches for; None: no DMARC.
SUBDOMAINS = "v=DMARC1; p=none; sp=quarantine; np=reject"
POLICY: tuple[tuple[dict[str, object], str, str | None], ...] = (
    ({"example.com": SUBDOMAINS}, "example.com", "none"),
    ({"example.com": SUBDOMAINS, "there.example.com": None}, "there.example.com", "quarantine"),
    ({"example.com": SUBDOMAINS}, "nowhere.example.com", "reject"),
    ({"example.com": SUBDOMAINS + "; t=y"}, "nowhere.example.com", "quarantine"),
    ({"a.example.com": SUBDOMAINS, "example.com": P}, "a.example.com", "none"),  # p of its own record
    ({"a.example.com": SUBDOMAINS, "example.com": P}, "b.a.example.com", "reject"),  # not the one in between
    ({"a.example.com": SUBDOMAINS + "; psd=n", "example.com": P}, "b.a.example.com", "reject"),  # np
    ({"com": "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y"}, "example.com", "reject"),  # of the suffix
    ({"com": "v=DMARC1; p=none; sp=quarantine; psd=y", "example.com": None}, "a.example.com", "quarantine"),
    ({"com": P + "; psd=y"}, "com", "reject"),
    ({}, "example.com", None),
    ({"example.com": "v=DMARC1"}, "example.com", None),
    ({"example.com": "v=DMARC1; p=bad"}, "a.example.com", None),
    ({"a.example.com": "v=DMARC1", "example.com": P}, "a.example.com", None),  # its own record, though it says nothing
    ({"example.com": "v=DMARC1; rua=mailto:a@example.com"}, "example.com", "none"),
    ({"example.com": [P, P]}, "example.com", None),
)


@pytest.mark.parametrize(("records", "author", "policy"), POLICY)
def test_policy(records: dict[str, object], author: str, policy: str | None) -> None:
    verdict = judged(Zone(records), author, ("spf", "fail", author))
    assert (verdict.result, verdict.policy) == (("fail", policy.encode()) if policy else ("none", None))


def test_the_verdict_names_the_record() -> None:
    verdict = judged(Zone({"example.com": P}), "a.example.com", ("dkim", "pass", "example.com"))
    assert (verdict.domain, verdict.record, verdict.reason) == (b"example.com", P.encode(), "dkim of example.com")


@pytest.mark.parametrize("broken", ["a.example.com", "example.com", "com"])
def test_a_record_that_cannot_be_had_is_a_temperror(broken: str) -> None:
    verdict = judged(Zone({broken: Temporary}), "a.example.com", ("spf", "fail", "a.example.com"))
    assert (verdict.result, verdict.policy, verdict.reason) == ("temperror", None, "broken")


def test_whether_the_author_exists_cannot_be_had() -> None:
    class Half(Zone):
        def __call__(self, name: bytes, rtype: str) -> list[bytes]:
            if rtype == "A":
                raise Temporary
            return super().__call__(name, rtype)

    assert judged(Half({"example.com": SUBDOMAINS}), "a.example.com").result == "temperror"
    passed = judged(Half({"example.com": SUBDOMAINS}), "a.example.com", ("dkim", "pass", "a.example.com"))
    assert (passed.result, passed.policy) == ("pass", None)
    assert judged(Half({"example.com": SUBDOMAINS}), "example.com").result == "fail"


def test_a_name_too_long_for_the_prefix_is_not_asked_for() -> None:
    author = ".".join(["a" * 49] * 5)  # 249 bytes
    zone = Zone({})
    assert judged(zone, author).result == "none"
    assert all(len(name) <= 253 for name in zone.asked)


# Beside a model that follows the text of section 4.10 step by step

# Names that share what stands behind them, and their records: (cut, label in front) of one long name.
LONG = list("kjihgfedcba")
NAMES = st.builds(
    lambda cut, front: ".".join([*front, *LONG[cut:]]), st.integers(0, 10), st.lists(st.sampled_from("xy"), max_size=1)
)
NP = "v=DMARC1; p=none; sp=reject; np=quarantine"
RECORDS = st.sampled_from([P, P + "; psd=n", P + "; psd=y", P + "; psd=u", NP])


def tags(record: str) -> dict[str, str]:
    return dict(tuple(part.strip().split("=")) for part in record.split(";"))


def by_the_text(zone: dict[str, str], start: str) -> list[tuple[str, dict[str, str]]]:
    """Steps 1 to 7: the records that are found, in order."""
    found = [(start, tags(zone[start]))] if start in zone else []
    labels = start.split(".")
    labels = labels[1:] if len(labels) < 8 else labels[-7:]
    while labels and not (found and found[-1][1].get("psd") in ("y", "n")):
        target = ".".join(labels)
        if target in zone:
            found.append((target, tags(zone[target])))
        labels = labels[1:]
    return found


def organization_by_the_text(zone: dict[str, str], start: str) -> str:
    """Section 4.10.2: the three rules, and what counts where they find nothing."""
    found = by_the_text(zone, start)
    for domain, record in found:
        if record.get("psd") == "n":
            return domain
        if record.get("psd") == "y" and domain != start:
            below = len(domain.split(".")) + 1
            return ".".join(start.split(".")[-below:])
    return min((domain for domain, _ in found), key=lambda domain: domain.count("."), default=start)


def policy_by_the_text(zone: dict[str, str], author: str) -> str | None:
    """Section 4.10.1: the author's record, or that of its organization, or that of the public suffix."""
    if author in zone:
        return tags(zone[author])["p"]
    organization = organization_by_the_text(zone, author)
    suffixes = [domain for domain, record in by_the_text(zone, author) if record.get("psd") == "y"]
    for domain in (organization, *suffixes):
        if domain in zone:
            record = tags(zone[domain])
            return record.get("np", record.get("sp", record["p"]))  # none of these authors exists
    return None


@settings(max_examples=500)
@example({".".join(LONG[3:]): NP, ".".join(LONG[4:]): P + "; psd=y"}, ".".join(LONG), ".".join(LONG))
@given(st.dictionaries(NAMES, RECORDS, max_size=8), NAMES, NAMES)
def test_as_the_text_says(zone: dict[str, str], author: str, other: str) -> None:
    tree = Tree(Zone(dict(zone)))
    assert tree.organizational(author.encode()).decode() == organization_by_the_text(zone, author)
    verdict = judged(Zone(dict(zone)), author, ("dkim", "pass", other))
    policy = policy_by_the_text(zone, author)
    aligned = author == other or organization_by_the_text(zone, author) == organization_by_the_text(zone, other)
    expected = ("none", None) if policy is None else ("pass" if aligned else "fail", policy.encode())
    event(f"{expected[0]}, {author == other}")
    assert (verdict.result, verdict.policy) == expected
