"""Exceptions for a connection that ends before QUIT. net/wire.py and others that talk to the client raise them;
session/conversation.py handles them, and net/tls.py those of a handshake.

They can also be raised inside a checker, while it makes the client wait. That is no failure of the checker, so the
chain passes every ConnectionEnded on.
"""

from __future__ import annotations


class ConnectionEnded(Exception):
    """The base."""


class ClientGone(ConnectionEnded):
    """End of input, or the connection is broken."""


class ReadTimeout(ConnectionEnded):
    """The client sent nothing for too long (control/timeoutsmtpd)."""


class SessionTimeout(ConnectionEnded):
    """The session has lasted too long (control/sessiontimeout)."""


class TalkedTooSoon(ConnectionEnded):
    """The client spoke before the greeting (DROPRUSHGREET)."""


class TooSlow(ConnectionEnded):
    """The client sent its message more slowly than control/mindatarate allows."""
