"""The body hashes of DKIM (RFC 6376 section 3.7). No I/O but the reading of the body.

    hashes = body_hashes(body, wanted)

Whatever is wanted, the body is read once, in blocks, each canonical form of it is made once, and each pair of form and
length is hashed once.
"""

from __future__ import annotations

from .dkim_canon import BODY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    Wanted = tuple[bytes, int | None]  # canonical form, and the value of l=


def body_hashes(body: Callable[[], Iterable[bytes]], wanted: Iterable[Wanted]) -> dict[Wanted, tuple[int, bytes]]:
    """For each form and length: by how many bytes the body is too short (negative: so many bytes behind the length are
    not hashed), and the SHA-256."""
    hashes = {want: _Hash(want[1]) for want in wanted}
    forms = []
    for name in {form for form, _ in hashes}:
        updates = [hash.update for (form, _), hash in hashes.items() if form == name]
        forms.append(BODY[name](_all_of(updates)))
    for block in body() if forms else ():
        for form in forms:
            form.feed(block)
    for form in forms:
        form.finish()
    return {want: (hash.missing or 0, hash.digest()) for want, hash in hashes.items()}


class _Hash:
    """SHA-256 of the first `length` bytes, of all if it is None. `missing`: bytes that are still missing; negative: so
    many were not hashed."""

    def __init__(self, length: int | None) -> None:
        from hashlib import sha256

        hash: Any = sha256()
        self.missing = length
        self._update = hash.update
        self.digest = hash.digest

    def update(self, text: bytes) -> None:
        if self.missing is not None:
            self.missing, length = self.missing - len(text), max(self.missing, 0)
            text = text[:length]
        self._update(text)


def _all_of(updates: Sequence[Callable[[bytes], None]]) -> Callable[[bytes], None]:
    """One function that calls all of them."""
    if len(updates) == 1:
        return updates[0]

    def update(text: bytes) -> None:
        for each in updates:
            each(text)

    return update
