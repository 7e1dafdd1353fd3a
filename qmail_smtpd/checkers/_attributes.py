"""The attributes that policy servers get: those of Postfix 3.7, as far as they are known here (SPEC section 16).

An attribute that does not apply is present and empty, as in Postfix.
"""

from __future__ import annotations

from posix import getpid
from time import time_ns

from ..net.wire import Layer
from ..smtp.events import Data, EndOfMessage, Rcpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session.facts import Session, Transaction
    from ..smtp.events import Event

    Attributes = dict[bytes, bytes]


class AttributeSource:
    """Remembers what the attributes of one session and its current message need; `of` returns them."""

    def __init__(self) -> None:
        self.extended = False  # the client has sent EHLO
        self.mechanism = b""  # of AUTH
        self._transaction: Transaction | None = None
        self._instance = b""  # identifies the message
        self._parameters: list[bytes] = []  # of MAIL

    def begin(self, transaction: Transaction, parameters: list[bytes]) -> None:
        """A new message, with an `instance` that no other message has. `parameters`: of MAIL."""
        self._transaction, self._parameters = transaction, parameters
        self._instance = b"%x.%x" % (getpid(), time_ns())

    def of(self, session: Session, event: Event) -> Attributes:
        """The attributes of a request at `event`: RCPT, DATA, or the end of the message."""
        assert session.transaction is not None
        if session.transaction is not self._transaction:  # our `mail` hook was not called: an earlier check OVERRULEd
            self.begin(session.transaction, [])
        return {
            **_of_stage(session, event),
            **_of_connection(session, self.extended),
            **_of_encryption(session),
            b"instance": self._instance,
            b"size": b"%d" % event.size if isinstance(event, EndOfMessage) else self._parameter(b"SIZE=") or b"0",
            b"sasl_method": self.mechanism.upper() if session.user is not None else b"",
            b"sasl_username": session.user or b"",
            b"sasl_sender": self._parameter(b"AUTH=") if session.user is not None else b"",
        }

    def _parameter(self, name: bytes) -> bytes:
        values = [word[len(name) :] for word in self._parameters if word[: len(name)].upper() == name]
        return values[-1] if values else b""


def _of_stage(session: Session, event: Event) -> Attributes:
    """State and envelope. `recipient` is that of RCPT; at DATA and later it is empty if there are several."""
    transaction = session.transaction
    assert transaction is not None
    recipients = transaction.recipients
    if isinstance(event, Rcpt):
        state, recipient, count = b"RCPT", event.address or b"", 0
    else:
        state = b"DATA" if isinstance(event, Data) else b"END-OF-MESSAGE"
        recipient, count = recipients[0] if len(recipients) == 1 else b"", len(recipients)
    return {
        b"protocol_state": state,
        b"sender": transaction.sender,
        b"recipient": recipient,
        b"recipient_count": b"%d" % count,
    }


def _of_connection(session: Session, extended: bool) -> Attributes:
    client, env = session.client, session.env
    return {
        b"protocol_name": b"ESMTP" if extended else b"SMTP",
        b"client_address": client.ip,
        b"client_name": client.host,
        b"client_port": env.get(b"TCPREMOTEPORT", b""),
        b"reverse_client_name": client.host,
        b"server_address": env.get(b"TCPLOCALIP", b""),
        b"server_port": env.get(b"TCPLOCALPORT", b""),
        b"helo_name": session.helo or b"",
        b"queue_id": b"",
        b"etrn_domain": b"",
        b"stress": b"",
        b"policy_context": b"",
    }


def _of_encryption(session: Session) -> Attributes:
    """TLS version, cipher and client certificate; all empty in clear."""
    layer = session.encryption or Layer()
    presented = layer.client
    return {
        b"encryption_protocol": layer.version,
        b"encryption_cipher": layer.cipher,
        b"encryption_keysize": layer.cipher_bits,
        b"ccert_subject": _common_name(presented.subject) if presented else b"",
        b"ccert_issuer": _common_name(presented.issuer) if presented else b"",
        b"ccert_fingerprint": _with_colons(presented.fingerprint) if presented else b"",
        b"ccert_pubkey_fingerprint": b"",
    }


def _common_name(name: bytes) -> bytes:
    """The CN in a name like /C=DE/CN=client: Postfix passes on nothing else."""
    return name.rpartition(b"/CN=")[2].partition(b"/")[0] if b"/CN=" in name else b""


def _with_colons(fingerprint: bytes) -> bytes:
    """SHA256:abcd as Postfix writes it, AB:CD."""
    digits = fingerprint.rpartition(b":")[2].upper()
    return b":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
