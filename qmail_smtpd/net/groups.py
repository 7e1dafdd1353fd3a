"""The groups of TLS key exchange (RFC 8446 section 4.2.7): which we offer, and which one a handshake has chosen.

    restrict(context)       offer only GROUPS. Finite fields are left out, since a client can make us compute with them
                            at no cost to itself (D(HE)at, CVE-2002-20001). Returns what is wrong, "" if nothing
    agreed(flight)          the name of the group in the server's first flight of bytes, b"" if there is none

ssl.SSLContext gets set_groups in Python 3.15. Before that the list is set by calling OpenSSL directly (openssl.py). If
anything goes wrong only P-256 is offered.
"""

from __future__ import annotations

import ssl

from .openssl import controls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GROUPS = "X25519:P-256:P-384"
WITH_POST_QUANTUM = "X25519MLKEM768:" + GROUPS  # OpenSSL 3.5
_SET_GROUPS_LIST = 92  # SSL_CTRL_SET_GROUPS_LIST
_HANDSHAKE, _SERVER_HELLO, _SERVER_KEY_EXCHANGE, _KEY_SHARE, _NAMED_CURVE = 22, 2, 12, 51, 3
_NAMES = {
    0x0017: b"P-256",
    0x0018: b"P-384",
    0x0019: b"P-521",
    0x001D: b"X25519",
    0x001E: b"X448",
    0x0100: b"ffdhe2048",
    0x0101: b"ffdhe3072",
    0x0102: b"ffdhe4096",
    0x0103: b"ffdhe6144",
    0x0104: b"ffdhe8192",
    0x11EC: b"X25519MLKEM768",
}


def restrict(context: ssl.SSLContext) -> str:
    """See the module's docstring. Raises nothing."""
    context.set_ecdh_curve("prime256v1")  # stays in force if the list below cannot be set
    try:
        accepted = _setter(context)
        if accepted(WITH_POST_QUANTUM) or accepted(GROUPS):
            return ""
        return "OpenSSL does not accept the list of groups: only P-256 is offered"
    except Exception as error:
        return f"groups cannot be set, only P-256 is offered: {type(error).__name__}"


def _setter(context: ssl.SSLContext) -> Any:
    """A function that sets a list of groups and returns whether OpenSSL accepted it."""
    if hasattr(context, "set_groups"):
        return lambda groups: _taken(context.set_groups, groups)
    control = controls(context)
    return lambda groups: control(_SET_GROUPS_LIST, 0, groups.encode()) == 1


def _taken(setter: Any, groups: str) -> bool:
    try:
        setter(groups)
    except ssl.SSLError:
        return False
    return True


def agreed(flight: bytes) -> bytes:
    """The name of the group in a TLS 1.3 ServerHello or a TLS 1.2 ServerKeyExchange. Raises nothing that matters: the
    bytes are those of our own OpenSSL."""
    group = b""
    for kind, body in _messages(_in_clear(flight)):
        if kind == _SERVER_HELLO:
            group = _named(_key_share(body)) or group
        elif kind == _SERVER_KEY_EXCHANGE and body[:1] == bytes((_NAMED_CURVE,)):
            group = _named(body[1:3])
    return group


def _in_clear(flight: bytes) -> bytes:
    """The contents of the handshake records at the beginning. What follows the first other record is encrypted, or a
    second ServerHello after a HelloRetryRequest, which has named the group already."""
    found, at = b"", 0
    while flight[at : at + 1] == bytes((_HANDSHAKE,)):
        end = at + 5 + int.from_bytes(flight[at + 3 : at + 5], "big")
        found += flight[at + 5 : end]
        at = end
    return found


def _messages(text: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + 4 <= len(text):
        end = at + 4 + int.from_bytes(text[at + 1 : at + 4], "big")
        found.append((text[at], text[at + 4 : end]))
        at = end
    return found


def _key_share(hello: bytes) -> bytes:
    """The two bytes of the group in the key_share extension of a ServerHello, b"" without one. Before the extensions
    come version, random, session id, cipher and compression."""
    at = 35 + (hello[34] if len(hello) > 34 else 0) + 3 + 2
    while at + 4 <= len(hello):
        if int.from_bytes(hello[at : at + 2], "big") == _KEY_SHARE:
            return hello[at + 4 : at + 6]
        at += 4 + int.from_bytes(hello[at + 2 : at + 4], "big")
    return b""


def _named(code: bytes) -> bytes:
    return _NAMES.get(int.from_bytes(code, "big"), b"0x" + code.hex().encode()) if code else b""
