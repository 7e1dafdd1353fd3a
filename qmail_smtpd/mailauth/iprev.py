"""Whether the name of a client leads back to it: iprev (RFC 8601 section 2.7.3; SPEC section 17).

    pass        one of the names has the address
    fail        none has
    permerror   the address has no name
    temperror   the DNS does not say now

At most MOST_NAMES names are asked for, in the order they came: who owns the reverse zone chooses how many there are.
"""

from __future__ import annotations

from ..smtp.ip import pointer
from .dns import NoSuchName, Temporary
from .results import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .dns import Lookup

MOST_NAMES = 10


def check(packed: bytes, shown: bytes, lookup: Lookup) -> Result:
    """`packed` is the address in 4 or 16 bytes, `shown` the same for people."""
    outcome, reason, name = _outcome(packed, lookup)
    return Result("iprev", outcome, [("policy.iprev", shown)], reason=reason, record=name)


def _outcome(packed: bytes, lookup: Lookup) -> tuple[str, str, bytes]:
    """The result, the reason for it and the name that leads back."""
    try:
        names = lookup(pointer(packed), "PTR")
    except NoSuchName:
        names = []
    except Temporary as trouble:
        return "temperror", str(trouble), b""
    if not names:
        return "permerror", "the address has no name", b""
    trouble_text = ""
    for name in names[:MOST_NAMES]:
        try:
            if packed in lookup(name, "A" if len(packed) == 4 else "AAAA"):
                return "pass", "", name
        except NoSuchName:
            continue
        except Temporary as trouble:
            trouble_text = str(trouble) or "no answer"
    return ("temperror", trouble_text, b"") if trouble_text else ("fail", "no name has the address", b"")
