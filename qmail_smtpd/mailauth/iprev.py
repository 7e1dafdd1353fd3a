"""iprev: whether a host name of the client's address has that address (RFC 8601 section 2.7.3; SPEC section 17).

    pass        one of the names has the address
    fail        none has it
    permerror   the address has no name
    temperror   the DNS gives no answer

Only the first MOST_NAMES names are looked up, since the owner of the address can give it any number. Raises nothing.
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
    """The result for an address: `packed` as 4 or 16 bytes, `shown` as text. Its `record` is the name that has it."""
    outcome, reason, name = _outcome(packed, lookup)
    return Result("iprev", outcome, [("policy.iprev", shown)], reason=reason, record=name)


def _outcome(packed: bytes, lookup: Lookup) -> tuple[str, str, bytes]:
    """The result, the reason, and the name that has the address."""
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
