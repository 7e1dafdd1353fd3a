"""Who is at the other end: the facts that replies, logs and trace headers name (SPEC section 1)."""

from __future__ import annotations


class Client:
    """The TCP* variables, as bytes; "unknown" for what is not set. `info`, the user that an ident server named, is None
    without one. `local` is our own name or address."""

    __slots__ = ("ip", "host", "info", "local")

    def __init__(self, env: dict[bytes, bytes]) -> None:
        self.ip = env.get(b"TCPREMOTEIP", b"unknown")
        self.host = env.get(b"TCPREMOTEHOST", b"unknown")
        self.info = env.get(b"TCPREMOTEINFO")
        self.local = env.get(b"TCPLOCALHOST", env.get(b"TCPLOCALIP", b"unknown"))

    def has_name(self) -> bool:
        """Whether the client's address has a host name in the DNS."""
        return self.host.lower() != b"unknown"
