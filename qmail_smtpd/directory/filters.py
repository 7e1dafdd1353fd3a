"""The LDAP search filters of SPEC section 8, and the addresses that are tried one after the other.

Whatever bytes an address or a user name has, they stay inside their assertion value (escaping: RFC 4515, section 3).
A filter is ASCII, except for what control/ldapobjectclass holds.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS = 4  # dash extensions: only the first four dashes of a local part are tried
CATCHALL = b"catchall"
_PLAIN = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz@.-_+=/"


def escaped(value: bytes) -> str:
    """An assertion value: letters, digits and some signs as they are, every other byte as \\xx."""
    if not value.translate(None, _PLAIN):
        return value.decode()
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:02x}" for byte in value)


def of_address(address: bytes, objectclass: str) -> str:
    """The filter that finds a mailbox by its address or one of its alternate addresses."""
    value = escaped(address)
    return wrapped(f"(|(mail={value})(mailAlternateAddress={value}))", objectclass)


def of_user(user: bytes, objectclass: str) -> str:
    """The filter that finds an account by its user name."""
    return wrapped(f"(uid={escaped(user)})", objectclass)


def wrapped(inner: str, objectclass: str) -> str:
    """A filter for what matches both `inner` and the object class, which may also be one or several whole filters."""
    if not objectclass:
        return inner
    if objectclass.startswith("("):
        return f"(&{objectclass}{inner})"
    return f"(&(objectClass={objectclass}){inner})"


def candidates(local: bytes, domain: bytes) -> Iterator[bytes]:
    """The addresses to search for, most specific first: itself, its dash extensions, the catch-all.

    A generator, since the first one is nearly always enough. No address comes twice.
    """
    whole = local + b"@" + domain
    yield whole
    dashes = [place for place, byte in enumerate(local) if byte == 0x2D][:LEVELS]
    heads = [local[:place] + b"-" + CATCHALL for place in reversed(dashes)]
    for head in [*heads, CATCHALL]:
        if head != local:  # the address may itself be a catch-all
            yield head + b"@" + domain
