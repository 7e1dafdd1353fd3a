"""Who is at the other end: the facts that replies, logs and trace headers name (SPEC section 1)."""

from __future__ import annotations


class Client:
    """From the TCP* variables. All bytes; `info` is None without ident."""

    __slots__ = ("ip", "host", "info", "local")

    def __init__(self, env: dict[bytes, bytes]) -> None:
        self.ip = env.get(b"TCPREMOTEIP", b"unknown")
        self.host = env.get(b"TCPREMOTEHOST", b"unknown")
        self.info = env.get(b"TCPREMOTEINFO")
        self.local = env.get(b"TCPLOCALHOST", env.get(b"TCPLOCALIP", b"unknown"))

    def has_name(self) -> bool:
        return self.host.lower() != b"unknown"
