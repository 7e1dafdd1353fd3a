"""STARTTLS and TLS from the first byte (SPEC section 10; RFC 3207, RFC 8314), over memory BIOs.

Only sessions that encrypt import this: importing `ssl` costs more than a whole session in clear. The TLS engine reads
and writes memory, and Wire moves the bytes, so that it works over pipes as well as over sockets.

    prepare(config, log)                    the context for STARTTLS; None, with the reason in the log, if there is none
    handshake(config, log, wire, context)   the server's side of the handshake; raises ClientGone if it fails
    authorize(config, log, client)          let a client whose certificate control/tlsclients lists relay
"""

from __future__ import annotations

import os
import ssl
import sys
from time import monotonic

from ..logs.log import ACCOUNT, FATAL, REFUSAL, described
from ..smtp.errors import ClientGone, ReadTimeout, SessionTimeout
from ..smtp.received import safe
from .certificates import CertificateError, cause, server_context
from .groups import agreed
from .openssl import preload  # noqa: F401 - for a parent that forks
from .wire import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from ..control.config import Config
    from ..logs.log import Log
    from .wire import Wire

    Result = TypeVar("Result")

RECORD = 1 << 14  # bytes of plaintext in the largest TLS record


def prepare(config: Config, log: Log) -> ssl.SSLContext | None:
    """Read the certificate before the 220, so that a broken one gets a 454 and the session can go on in clear."""
    try:
        return _context(config, log)
    except CertificateError as trouble:
        log.write(FATAL, b"STARTTLS: ", os.fsencode(str(trouble)))
        return None


def handshake(config: Config, log: Log, wire: Wire, context: ssl.SSLContext | None) -> Encryption:
    """The server's side of the handshake, in timeoutsmtpd seconds altogether. Logs any error and raises ClientGone for
    it, nothing else: no reply in clear may be sent within a handshake."""
    deadline = monotonic() + wire.timeout
    try:
        encryption = Encryption(wire, context or _context(config, log))
        encryption.shake_hands(deadline)
    except ClientGone:
        raise
    except CertificateError as trouble:
        log.write(FATAL, b"SMTPS: ", os.fsencode(str(trouble)))
        raise ClientGone from trouble
    except (ReadTimeout, SessionTimeout) as error:
        log.write(REFUSAL, b"handshake failed: too slow")
        raise ClientGone from error
    except Exception as error:
        known = isinstance(error, ssl.SSLError)
        log.write(REFUSAL, b"handshake failed: ", cause(error).encode() if known else described(error))
        raise ClientGone from error
    shown = b" fingerprint=" + encryption.client.fingerprint if encryption.client.fingerprint else b""
    group = b" group=" + encryption.group if encryption.group else b""
    log.encrypted(b"%b %b%b%b" % (encryption.version, encryption.cipher, group, shown))
    return encryption


def _context(config: Config, log: Log) -> ssl.SSLContext:
    def complain(trouble: str) -> None:
        log.write(FATAL, b"TLS: ", os.fsencode(trouble))

    def server_name_trouble(trouble: sys.UnraisableHookArgs) -> None:
        """A server name that is not ASCII ends the handshake. Without this hook Python prints a traceback for it."""
        log.write(REFUSAL, b"server name: ", trouble.exc_type.__name__.encode())

    sys.unraisablehook = server_name_trouble
    return server_context(config, complain)


class Encryption(Layer):
    """A TLS connection over a Wire's raw bytes."""

    def __init__(self, wire: Wire, context: ssl.SSLContext) -> None:
        self._wire = wire
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._engine = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.client: ClientCertificate = ClientCertificate(None, {})
        self.group = b""  # of the key exchange
        self._flight: list[bytes] | None = []  # what we send in the handshake; None once it is over

    @property
    def verified_as(self) -> bytes:  # type: ignore[override]
        return self.client.verified_as

    def protocol(self) -> bytes:
        """What the Received field says about this connection."""
        return b"%b %b fingerprint=%b encrypted SMTP" % (self.version, self.cipher, self.client.described())

    def shake_hands(self, deadline: float) -> None:
        """Raises ssl.SSLError, ReadTimeout, SessionTimeout, ClientGone."""
        self._pump(self._engine.do_handshake, deadline)
        self.group, self._flight = agreed(b"".join(self._flight or [])), None
        name, _, bits = self._engine.cipher() or ("unknown", "", 0)
        self.version = (self._engine.version() or "TLS").encode()
        self.cipher, self.cipher_bits = name.encode(), b"%d" % bits
        der = self._engine.getpeercert(True)
        try:
            fields = self._engine.getpeercert() or {}
        except (ssl.SSLError, ValueError):  # names that Python cannot decode: only the fingerprint is used
            fields = {}
        self.client = ClientCertificate(der, fields)

    def read(self) -> bytes:
        """Some decrypted input, never empty. Raises the same as Wire.receive."""
        try:
            data = self._pump(lambda: self._engine.read(RECORD))
        except ssl.SSLError as error:
            raise ClientGone from error
        if not data:
            raise ClientGone
        return data

    def readable(self) -> bool:
        """Whether input has come that is not decrypted yet."""
        return self._incoming.pending > 0 or self._engine.pending() > 0

    def write(self, data: bytes) -> None:
        view = memoryview(data)

        def some() -> int:
            return self._engine.write(view)

        try:
            while view:
                view = view[self._pump(some) :]
        except ssl.SSLError as error:
            raise ClientGone from error

    def close(self) -> None:
        """Send close_notify. The client's own is not waited for, and errors are ignored."""
        try:
            self._engine.unwrap()
        except ssl.SSLError:
            pass
        try:
            self._flush()
        except ClientGone:
            pass

    def _pump(self, step: Callable[[], Result], deadline: float | None = None) -> Result:
        """Repeat `step` until it needs no more input, moving bytes in both directions; its result. Raises ssl.SSLError
        and the same as Wire."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive(deadline)
            except ssl.SSLError:
                try:
                    self._flush()  # the alert for the client
                except ClientGone:
                    pass
                raise
            else:
                self._flush()
                return result

    def _receive(self, deadline: float | None) -> None:
        if deadline is not None and monotonic() >= deadline:
            raise ReadTimeout  # also if the client sends a byte now and then
        try:
            self._incoming.write(self._wire.receive(deadline))
        except ClientGone:
            if self._incoming.eof:
                raise
            self._incoming.write_eof()  # a client that only stopped sending can still read the engine's alert

    def _flush(self) -> None:
        if self._outgoing.pending:
            data = self._outgoing.read()
            if self._flight is not None:
                self._flight.append(data)
            self._wire.send(data)


class ClientCertificate:
    """The client's certificate, if it presented one. Others than those issued by control/clientca.pem end the
    handshake."""

    def __init__(self, der: bytes | None, fields: Mapping[str, object]) -> None:
        self.fingerprint = b""
        self.subject = _one_line(fields.get("subject", ()))
        self.issuer = _one_line(fields.get("issuer", ()))
        self.emails: list[bytes] = []
        self.verified_as = b""  # the name by which control/tlsclients lists it
        if der:
            import hashlib

            self.fingerprint = b"SHA256:" + hashlib.sha256(der).hexdigest().encode()
            self.emails = _emails(fields)

    def described(self) -> bytes:
        if not self.fingerprint:
            return b"no certificate presented"
        return self.fingerprint + (b" verified=%b" % safe(self.verified_as) if self.verified_as else b"")

    def names(self) -> list[bytes]:
        """The names by which control/tlsclients may list it: its e-mail addresses, and its SHA-256 fingerprint as
        `openssl x509 -fingerprint` writes it, with or without colons and `SHA256:`."""
        if not self.fingerprint:
            return []
        digits = self.fingerprint[7:]
        colons = b":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
        return [*self.emails, *(prefix + form for form in (digits, colons) for prefix in (b"", b"SHA256:"))]


# OpenSSL's abbreviations for the attributes of a distinguished name.
_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
}


def _one_line(name: object) -> bytes:
    """A distinguished name of ssl.getpeercert in the form for filters: /C=DE/CN=client."""
    parts = (f"/{_SHORT.get(kind, kind)}={value}" for rdn in name for kind, value in rdn)  # type: ignore[attr-defined]
    return "".join(parts).encode(errors="replace")


def _emails(fields: Mapping[str, object]) -> list[bytes]:
    """The e-mail addresses in subject and subjectAltName of ssl.getpeercert, in lower case."""
    names = [value for kind, value in fields.get("subjectAltName", ()) if kind == "email"]  # type: ignore[attr-defined]
    for rdn in fields.get("subject", ()):  # type: ignore[attr-defined]
        names += [value for kind, value in rdn if kind == "emailAddress"]
    return [name.encode(errors="replace").lower() for name in names if "@" in name and name.isprintable()]


def authorize(config: Config, log: Log, client: ClientCertificate) -> None:
    """control/tlsclients: a client that it lists, by e-mail address or fingerprint, may relay. Raises ControlError."""
    names = client.names()
    listed = config.control.entries("tlsclients") if names else None
    if listed is None:
        return
    for name in names:
        if name in listed:
            client.verified_as = name
            log.write(ACCOUNT, b"client certificate of ", name, b" may relay")
            return
