"""STARTTLS and TLS from the first byte (SPEC section 10; RFC 3207, RFC 8314), over memory BIOs.

Imported by the first session that encrypts: `ssl` costs more than a whole session in clear. The TLS engine never
sees a descriptor, Wire moves its bytes, so pipes, socket pairs and sockets are all the same to it.

    prepare(session)            answer STARTTLS: 220, or 454 with the reason in the log
    handshake(session, wire)    do it; raises ClientGone for whatever goes wrong
"""

from __future__ import annotations

import ssl
from time import monotonic

from . import log, replies
from .certificates import Unusable, server_context
from .wire import ClientGone, ReadTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .replies import Reply
    from .session import Session
    from .wire import Wire


def prepare(session: Session) -> Reply:
    """Read the certificate now, so that trouble with it is told in clear and the session goes on."""
    try:
        session.tls_context = server_context(session.config)
    except Unusable as trouble:
        session.log.write(log.FATAL, b"STARTTLS: ", str(trouble).encode())
        return replies.TLS_TROUBLE
    return replies.TLS_READY


def handshake(session: Session, wire: Wire) -> Encryption:
    """The server's side of the handshake, within timeoutsmtpd as a whole. Raises ClientGone."""
    if session.tls_context is None:
        try:
            session.tls_context = server_context(session.config)
        except Unusable as trouble:
            session.log.write(log.FATAL, b"SMTPS: ", str(trouble).encode())
            raise ClientGone from trouble
    encryption = Encryption(wire, session.tls_context)
    try:
        encryption.shake_hands(monotonic() + wire.timeout)
    except (ssl.SSLError, ReadTimeout) as error:
        session.log.write(log.REFUSAL, b"handshake failed: ", str(error.args[-1:] or "too slow").encode())
        raise ClientGone from error
    session.log.write(log.REFUSAL, b"encrypted: ", encryption.version, b" ", encryption.cipher)
    return encryption


class Encryption:
    """A TLS connection over a Wire's raw bytes."""

    def __init__(self, wire: Wire, context: ssl.SSLContext) -> None:
        self._wire = wire
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._engine = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.client = ClientCertificate(None, {})

    @property
    def version(self) -> bytes:
        return (self._engine.version() or "TLS").encode()

    @property
    def cipher(self) -> bytes:
        cipher = self._engine.cipher()
        return cipher[0].encode() if cipher else b"unknown"

    def protocol(self) -> bytes:
        """What the trace header says of this connection."""
        return b"%b %b fingerprint=%b encrypted SMTP" % (self.version, self.cipher, self.client.described())

    def shake_hands(self, deadline: float) -> None:
        """Raises ssl.SSLError, ReadTimeout, ClientGone."""
        self._pump(self._engine.do_handshake, deadline)
        self.client = ClientCertificate(self._engine.getpeercert(True), self._engine.getpeercert() or {})

    def read(self) -> bytes:
        """Some decrypted input, never empty. Raises what Wire.receive raises."""
        try:
            data = self._pump(lambda: self._engine.read(1 << 16))
        except ssl.SSLError as error:
            raise ClientGone from error
        if not data:
            raise ClientGone
        return data

    def write(self, data: bytes) -> None:
        try:
            self._pump(lambda: self._engine.write(data))
        except ssl.SSLError as error:
            raise ClientGone from error

    def close(self) -> None:
        """Say that no more comes; nobody waits for the client to say the same."""
        try:
            self._engine.unwrap()
        except ssl.SSLError:
            pass
        self._flush()

    def _pump(self, step: Callable[[], bytes | int | None], deadline: float | None = None) -> bytes:
        """Do `step` until it needs no more input, moving bytes both ways meanwhile."""
        while True:
            try:
                return step() or b""  # type: ignore[return-value]
            except ssl.SSLWantReadError:
                self._flush()
                self._receive(deadline)
            finally:
                self._flush()  # also an alert that says why it failed

    def _receive(self, deadline: float | None) -> None:
        try:
            self._incoming.write(self._wire.receive(deadline))
        except ClientGone:
            if self._incoming.eof:
                raise
            self._incoming.write_eof()  # the engine has an alert for a client that only stopped sending

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._wire.send(self._outgoing.read())


class ClientCertificate:
    """What the client showed, if anything: only certificates that control/clientca.pem vouches for get here."""

    def __init__(self, der: bytes | None, fields: Mapping[str, object]) -> None:
        self.fingerprint = b""
        self.emails: list[bytes] = []
        self.verified_as = b""  # set once tlsclients lists it
        if der:
            import hashlib

            self.fingerprint = b"SHA256:" + hashlib.sha256(der).hexdigest().encode()
            self.emails = _emails(fields)

    def described(self) -> bytes:
        if not self.fingerprint:
            return b"no certificate presented"
        return self.fingerprint + (b" verified=%b" % self.verified_as if self.verified_as else b"")


def _emails(fields: Mapping[str, object]) -> list[bytes]:
    """The e-mail addresses of a certificate as ssl.getpeercert tells it: subject and subjectAltName."""
    names = [value for kind, value in fields.get("subjectAltName", ()) if kind == "email"]  # type: ignore[attr-defined]
    for rdn in fields.get("subject", ()):  # type: ignore[attr-defined]
        names += [value for kind, value in rdn if kind == "emailAddress"]
    return [name.encode(errors="replace").lower() for name in names]


def authorize(session: Session, client: ClientCertificate) -> None:
    """control/tlsclients: a client listed there, by e-mail address or fingerprint, may relay."""
    listed = session.config.control.entries("tlsclients")
    if listed is None:
        return
    for name in (*client.emails, client.fingerprint, client.fingerprint[7:]):
        if name in listed:
            client.verified_as = name
            session.log.write(log.ACCOUNT, b"client certificate of ", name, b" may relay")
            return
