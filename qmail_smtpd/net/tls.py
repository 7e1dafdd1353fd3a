"""STARTTLS and TLS from the first byte (SPEC section 10; RFC 3207, RFC 8314), over memory BIOs.

Imported by the first session that encrypts: `ssl` costs more than a whole session in clear. The TLS engine never
sees a descriptor, Wire moves its bytes, so pipes, socket pairs and sockets are all the same to it.

    prepare(config, log)                    the context for STARTTLS, or None with the reason in the log
    handshake(config, log, wire, context)   do it; raises ClientGone for whatever goes wrong
    authorize(config, log, client)          whether the client's certificate is one that may relay
"""

from __future__ import annotations

import os
import ssl
import sys
from time import monotonic

from ..logs.log import ACCOUNT, FATAL, REFUSAL, described
from ..smtp.errors import ClientGone, ReadTimeout, SessionTimeout
from ..smtp.received import safe
from .certificates import Unusable, cause, server_context
from .groups import agreed, preload  # noqa: F401 - preload: for a parent that forks
from .wire import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from ..control.config import Config
    from ..logs.log import Log
    from .wire import Wire

    Result = TypeVar("Result")

RECORD = 1 << 14  # bytes in clear of the largest TLS record


def prepare(config: Config, log: Log) -> ssl.SSLContext | None:
    """Read the certificate now, so that trouble with it is told in clear and the session goes on."""
    try:
        return _context(config, log)
    except Unusable as trouble:
        log.write(FATAL, b"STARTTLS: ", os.fsencode(str(trouble)))
        return None


def handshake(config: Config, log: Log, wire: Wire, context: ssl.SSLContext | None) -> Encryption:
    """The server's side of the handshake, within timeoutsmtpd as a whole. Raises ClientGone and nothing else:
    no reply in clear may get into a handshake, whatever goes wrong."""
    deadline = monotonic() + wire.timeout
    try:
        encryption = Encryption(wire, context or _context(config, log))
        encryption.shake_hands(deadline)
    except ClientGone:
        raise
    except Unusable as trouble:
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
        """A server name that is no ASCII ends the handshake; Python would print how, in several lines."""
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
        self.client = ClientCertificate(None, {})
        self.group = b""  # of the key exchange
        self._flight: list[bytes] | None = []  # what we say in the handshake

    @property
    def verified_as(self) -> bytes:  # type: ignore[override]
        return self.client.verified_as

    @property
    def version(self) -> bytes:
        return (self._engine.version() or "TLS").encode()

    @property
    def cipher(self) -> bytes:
        cipher = self._engine.cipher()
        return cipher[0].encode() if cipher else b"unknown"

    @property
    def cipher_bits(self) -> bytes:
        cipher = self._engine.cipher()
        return b"%d" % cipher[2] if cipher else b""

    def protocol(self) -> bytes:
        """What the trace header says of this connection."""
        return b"%b %b fingerprint=%b encrypted SMTP" % (self.version, self.cipher, self.client.described())

    def shake_hands(self, deadline: float) -> None:
        """Raises ssl.SSLError, ReadTimeout, SessionTimeout, ClientGone."""
        self._pump(self._engine.do_handshake, deadline)
        self.group, self._flight = agreed(b"".join(self._flight or [])), None
        der = self._engine.getpeercert(True)
        try:
            fields = self._engine.getpeercert() or {}
        except (ssl.SSLError, ValueError):  # names that Python cannot make text of: it still has a fingerprint
            fields = {}
        self.client = ClientCertificate(der, fields)

    def read(self) -> bytes:
        """Some decrypted input, never empty. Raises what Wire.receive raises."""
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
        """Say that no more comes; nobody waits for the client to say the same, or minds that it has left."""
        try:
            self._engine.unwrap()
        except ssl.SSLError:
            pass
        try:
            self._flush()
        except ClientGone:
            pass

    def _pump(self, step: Callable[[], Result], deadline: float | None = None) -> Result:
        """Do `step` until it needs no more input, moving bytes both ways meanwhile."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive(deadline)
            except ssl.SSLError:
                try:
                    self._flush()  # an alert that says why
                except ClientGone:
                    pass
                raise
            else:
                self._flush()
                return result

    def _receive(self, deadline: float | None) -> None:
        if deadline is not None and monotonic() >= deadline:
            raise ReadTimeout  # also when there is always a byte to read
        try:
            self._incoming.write(self._wire.receive(deadline))
        except ClientGone:
            if self._incoming.eof:
                raise
            self._incoming.write_eof()  # the engine has an alert for a client that only stopped sending

    def _flush(self) -> None:
        if self._outgoing.pending:
            data = self._outgoing.read()
            if self._flight is not None:
                self._flight.append(data)
            self._wire.send(data)


class ClientCertificate:
    """What the client showed, if anything: only certificates that control/clientca.pem vouches for get here."""

    def __init__(self, der: bytes | None, fields: Mapping[str, object]) -> None:
        self.fingerprint = b""
        self.subject = _one_line(fields.get("subject", ()))
        self.issuer = _one_line(fields.get("issuer", ()))
        self.emails: list[bytes] = []
        self.verified_as = b""  # set once tlsclients lists it
        if der:
            import hashlib

            self.fingerprint = b"SHA256:" + hashlib.sha256(der).hexdigest().encode()
            self.emails = _emails(fields)

    def described(self) -> bytes:
        if not self.fingerprint:
            return b"no certificate presented"
        return self.fingerprint + (b" verified=%b" % safe(self.verified_as) if self.verified_as else b"")

    def names(self) -> list[bytes]:
        """How control/tlsclients may call it: e-mail address, or SHA-256 of the certificate as `openssl x509
        -fingerprint` writes it, with or without colons and `SHA256:`."""
        if not self.fingerprint:
            return []
        digits = self.fingerprint[7:]
        colons = b":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
        return [*self.emails, *(prefix + form for form in (digits, colons) for prefix in (b"", b"SHA256:"))]


# As OpenSSL abbreviates what names are made of.
_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
}


def _one_line(name: object) -> bytes:
    """A distinguished name of ssl.getpeercert as filters are told it: /C=DE/CN=client."""
    parts = (f"/{_SHORT.get(kind, kind)}={value}" for rdn in name for kind, value in rdn)  # type: ignore[attr-defined]
    return "".join(parts).encode(errors="replace")


def _emails(fields: Mapping[str, object]) -> list[bytes]:
    """The e-mail addresses of a certificate as ssl.getpeercert tells it: subject and subjectAltName."""
    names = [value for kind, value in fields.get("subjectAltName", ()) if kind == "email"]  # type: ignore[attr-defined]
    for rdn in fields.get("subject", ()):  # type: ignore[attr-defined]
        names += [value for kind, value in rdn if kind == "emailAddress"]
    return [name.encode(errors="replace").lower() for name in names if "@" in name and name.isprintable()]


def authorize(config: Config, log: Log, client: ClientCertificate) -> None:
    """control/tlsclients: a client listed there, by e-mail address or fingerprint, may relay."""
    names = client.names()
    listed = config.control.entries("tlsclients") if names else None
    if listed is None:
        return
    for name in names:
        if name in listed:
            client.verified_as = name
            log.write(ACCOUNT, b"client certificate of ", name, b" may relay")
            return
