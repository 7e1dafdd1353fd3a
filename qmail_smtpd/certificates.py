"""Server certificates: which files, and an SSLContext made of them (SPEC sections 2 and 10).

`control/smtpcert` (or $SSLCERT) names a PEM file with the chain, leaf first. The key is in the same file or beside
it: FILE.key, the name with .key for its ending, or privkey.pem in the same folder. `control/servercerts/NAME.pem`
is for clients that ask for NAME (SNI, RFC 6066). `control/clientca.pem` lets clients show a certificate.

Raises Unusable, whose text names the file and the trouble.
"""

from __future__ import annotations

import os
import ssl
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

SERVERCERTS = "control/servercerts"
CLIENT_CA = "control/clientca.pem"

# Names that control/tlsciphers may give instead of an OpenSSL cipher string.
CIPHERS = {
    "secure": "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL",
    "compat": "HIGH:!aNULL",
    "legacy": "HIGH:MEDIUM:!aNULL:@SECLEVEL=0",
    "insecure": "ALL:!aNULL:!eNULL:@SECLEVEL=0",
}
CIPHERS["default"] = CIPHERS["secure"]
OLD_PROTOCOLS = ("legacy", "insecure")  # with these TLS 1.0 and 1.1 are spoken too
DH_PARAMETERS = {"auto": "dh-2048.pem", "legacy": "dh-1024.pem"}


class Unusable(Exception):
    """A certificate, key or setting that cannot be used."""


def server_context(config: Config) -> ssl.SSLContext:
    """The context for this session's default certificate; it changes to another when the client names one."""
    assert config.certificate is not None
    context = _context(config, os.fsdecode(config.certificate))

    def choose(engine: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        path = named_certificate(name or "")
        if path:
            try:
                engine.context = _context(config, path)
            except Unusable:
                pass  # the default certificate is better than none

    context.sni_callback = choose
    return context


def named_certificate(name: str) -> str:
    """The certificate file of a server name, "" without one."""
    name = name.lower().rstrip(".")
    if not name or name.startswith(".") or not name.replace("-", "").replace(".", "").isalnum() or not name.isascii():
        return ""
    path = f"{SERVERCERTS}/{name}.pem"
    return path if os.path.isfile(path) else ""


def _context(config: Config, path: str) -> ssl.SSLContext:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ciphers = config.tlsciphers.decode("latin1")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ciphers in OLD_PROTOCOLS:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        # An end without close_notify is an error, also in the handshake: the client gets an alert for it.
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        context.set_ciphers(CIPHERS.get(ciphers, ciphers))
        _load_dh(context, config.tlsdheparams.decode("latin1"))
        check_validity(path)
        context.load_cert_chain(path, key_beside(path))
        if os.path.exists(CLIENT_CA):
            context.load_verify_locations(CLIENT_CA)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Unusable(f"{path}: {error}") from error
    return context


def _load_dh(context: ssl.SSLContext, wanted: str) -> None:
    name = DH_PARAMETERS.get(wanted)
    if name:
        context.load_dh_params(os.path.join(os.path.dirname(__file__), name))


def key_beside(path: str) -> str | None:
    """Where the key of a certificate file is: None for the file itself."""
    with open(path, "rb") as file:
        if b"PRIVATE KEY-----" in file.read():
            return None
    beside = (path + ".key", os.path.splitext(path)[0] + ".key", os.path.join(os.path.dirname(path), "privkey.pem"))
    for candidate in beside:
        if os.path.exists(candidate):
            return candidate
    return None


def validity(path: str) -> tuple[float, float]:
    """From when until when (seconds since the epoch) the first certificate of a file is valid."""
    # The one way the standard library has to look into a certificate that is not a peer's.
    fields = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]
    return ssl.cert_time_to_seconds(fields["notBefore"]), ssl.cert_time_to_seconds(fields["notAfter"])


def check_validity(path: str) -> None:
    """Raises Unusable outside the time for which the certificate is valid, OSError if it is none."""
    start, end = validity(path)
    now = time.time()
    if now > end:
        raise Unusable(f"{path}: the certificate has expired")
    if now < start:
        raise Unusable(f"{path}: the certificate is not valid yet")
