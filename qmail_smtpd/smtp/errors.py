"""How a connection can end before its time. Whoever talks to the client raises these;
session/conversation.py ends the session for them, net/tls.py those of a handshake.

A checker that makes the client wait can be where it shows: that is no trouble of the checker, so the chain lets
every ConnectionEnded through.
"""

from __future__ import annotations


class ConnectionEnded(Exception):
    """The base."""


class ClientGone(ConnectionEnded):
    """No more input, or nobody to write to."""


class ReadTimeout(ConnectionEnded):
    """The client was silent for too long."""


class SessionTimeout(ConnectionEnded):
    """The session has lasted too long (control/sessiontimeout)."""


class TalkedTooSoon(ConnectionEnded):
    """The client spoke before the greeting (DROPRUSHGREET)."""


class TooSlow(ConnectionEnded):
    """A message came more slowly than control/mindatarate allows."""
