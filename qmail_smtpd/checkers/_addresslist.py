"""Lists of addresses: entries `user@host`, `@host` and `user@` (SPEC section 5)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.files import ListFile


def match(listed: ListFile, address: bytes, users: bool = True) -> bytes:
    """The line of a list that matches `address` (`control/FILE:LINE`), b"" for none. `users`: entries of the form
    `user@` count too."""
    forms = [address]
    at = address.rfind(b"@")
    if at >= 0:
        forms.append(address[at:])
        if users:
            forms.append(address[: at + 1])
    for form in forms:
        if form in listed:
            return listed.line_of(form)
    return b""
