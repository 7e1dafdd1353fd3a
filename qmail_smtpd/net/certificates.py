"""Server certificates: finding the files, and making an SSLContext of them (SPEC sections 2 and 10).

`control/smtpcert` (or $SSLCERT) names a PEM file with the certificate chain, leaf first. The key is in the same file,
in FILE.key, in the file's name with .key for its ending, or in privkey.pem in the same folder.
`control/servercerts/NAME.pem` is for clients that ask for NAME (SNI, RFC 6066). With `control/clientca.pem` clients may
present a certificate; one that these authorities did not issue ends the handshake.

Files are read when they are needed; a context is reused while its files are unchanged. A certificate that has expired
or is not valid yet is used all the same, with a line in the log: most senders do not verify it, and would send in clear
without it. A key must not be protected by a passphrase: OpenSSL would ask for it on the terminal or, without one, on
fd 0, which is the client. Once a key has been read this process writes no core file.

Raises CertificateError, whose text names the file and says what is wrong with it.
"""

from __future__ import annotations

import os
import ssl
import stat
from binascii import a2b_base64
from time import gmtime, strftime

from ..control.kept import Kept
from ..control.secrets import no_core
from .groups import restrict
from .openssl import keep_no_sessions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..control.config import Config

SERVERCERTS = "control/servercerts"
CLIENT_CA = "control/clientca.pem"
LARGEST = 1 << 20  # bytes of a PEM file

# Names that may stand in control/tlsciphers instead of an OpenSSL cipher string.
CIPHERS = {
    "secure": "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL",
    "compat": "HIGH:!aNULL:!kRSA:!kPSK:!kSRP:!AESCCM8:!ARIA",
    "legacy": "HIGH:MEDIUM:!aNULL:@SECLEVEL=0",
    "insecure": "ALL:!aNULL:!eNULL:@SECLEVEL=0",
}
CIPHERS["default"] = CIPHERS["secure"]
OLD_PROTOCOLS = ("legacy", "insecure")  # these also allow TLS 1.0, TLS 1.1 and DHE
DH_PARAMETERS = {"auto": "dh-2048.pem", "legacy": "dh-1024.pem"}

_kept = Kept()  # contexts: path and settings -> (context, text of the certificate)


class CertificateError(Exception):
    """A certificate, key or TLS setting that cannot be used."""


def server_context(config: Config, complain: Callable[[str], None]) -> ssl.SSLContext:
    """The context with the default certificate. It switches to another one when the client asks for a server name.

    `complain` gets a text for each problem that does not keep the handshake from succeeding, as when the certificate
    of a server name cannot be used and the default one is served instead. Raises CertificateError.
    """
    if not config.certificate:
        raise CertificateError("control/smtpcert: no certificate configured")
    context = _context(config, os.fsdecode(config.certificate), complain)

    def choose(engine: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        path = named_certificate(name or "")
        if path:
            try:
                engine.context = _context(config, path, complain)
            except CertificateError as trouble:
                complain(f"server name: {trouble}")

    context.sni_callback = choose
    return context


def named_certificate(name: str) -> str:
    """The certificate file of a server name, "" without one. A name with other characters than those of host names
    never becomes part of a path."""
    name = name.lower().rstrip(".")
    if not name or name.startswith(".") or not name.replace("-", "").replace(".", "").isalnum() or not name.isascii():
        return ""
    path = f"{SERVERCERTS}/{name}.pem"
    return path if os.path.isfile(path) else ""


def _context(config: Config, path: str, complain: Callable[[str], None]) -> ssl.SSLContext:
    """The context for the certificate file `path`, made anew if one of its files has changed."""
    settings = config.tlsciphers, config.tlsdheparams
    files = [path, *_keys(path), CLIENT_CA]
    context, text = _kept.get((path, settings), files, lambda: _new_context(config, path, complain))
    trouble = out_of_time(text)
    if trouble:
        complain(f"{path}: {trouble}")
    return context


def _new_context(config: Config, path: str, complain: Callable[[str], None]) -> tuple[ssl.SSLContext, bytes]:
    """A new context, and the text of its certificate file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # No session is resumed. Tickets: their key would end with this process, and no other could.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    keep_no_sessions(context)
    # A connection that ends without close_notify is an error, also in the handshake, where the client gets an alert.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    _load_settings(context, config, complain)
    text = _load_certificate(context, path)
    _load_client_ca(context)
    return context, text


def _load_settings(context: ssl.SSLContext, config: Config, complain: Callable[[str], None]) -> None:
    ciphers, dh = config.tlsciphers.decode("latin1"), config.tlsdheparams.decode("latin1")
    old = ciphers.lower() in OLD_PROTOCOLS
    wanted = CIPHERS.get(ciphers.lower(), ciphers)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED if old else ssl.TLSVersion.TLSv1_2
    with _Blaming("control/tlsciphers"):
        context.set_ciphers(wanted if old else wanted + ":!kDHE")
    trouble = "" if old else restrict(context)
    if trouble:
        complain(trouble)
    if old and dh in DH_PARAMETERS:
        with _Blaming("control/tlsdheparams"):
            context.load_dh_params(os.path.join(os.path.dirname(__file__), DH_PARAMETERS[dh]))


def _load_certificate(context: ssl.SSLContext, path: str) -> bytes:
    """Load the certificate and its key; the text of the certificate file."""
    no_core()
    with _Blaming(path):
        text = read_pem(path)
        validity(text)
    key = key_of(path, text)
    if key != path:
        with _Blaming(key):
            read_pem(key)
    with _Blaming(path if key == path else f"{path} with {key}"):
        context.load_cert_chain(path, key, password=_no_passphrase)
    return text


def _load_client_ca(context: ssl.SSLContext) -> None:
    if os.path.lexists(CLIENT_CA):
        with _Blaming(CLIENT_CA):
            read_pem(CLIENT_CA)
            context.load_verify_locations(CLIENT_CA)
        context.verify_mode = ssl.CERT_OPTIONAL


class _Blaming:
    """Errors inside become a CertificateError that names `path`."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, ValueError)):  # ssl.SSLError is an OSError
            raise CertificateError(f"{self._path}: {cause(error)}") from error


def cause(error: Exception) -> str:
    """The text of an error, without OpenSSL's error numbers and source lines."""
    reason = getattr(error, "reason", None)
    if reason == "NO_CERTIFICATE_ASSIGNED":
        return "the key is of another kind than the certificate"
    if isinstance(error, ssl.SSLError) and isinstance(reason, str):
        return reason.replace("_", " ").lower()
    # The argument of some errors of ssl is a tuple in a tuple.
    return getattr(error, "strerror", None) or str(error).strip("(',)") or type(error).__name__


def _no_passphrase() -> str:
    raise ValueError("protected by a passphrase")


def read_pem(path: str) -> bytes:
    """The text of a PEM file. Raises OSError, and ValueError for a file that is not regular (reading could block), too
    large, or protected by a passphrase."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("not a regular file")
    with open(path, "rb") as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError("too large for a certificate file")
    if b"BEGIN ENCRYPTED" in text or b",ENCRYPTED" in text:
        raise ValueError("protected by a passphrase")
    return text


def key_of(path: str, text: bytes) -> str:
    """The file with the key for the certificate file `path`, whose text is `text`. Raises CertificateError."""
    if b"PRIVATE KEY-----" in text:
        return path
    for key in _keys(path):
        if os.path.exists(key):
            return key
    raise CertificateError(f"{path}: no private key in it, nor in {', '.join(_keys(path))}")


def _keys(path: str) -> tuple[str, ...]:
    """The files that may have the key, if the certificate file itself has none."""
    return path + ".key", os.path.splitext(path)[0] + ".key", os.path.join(os.path.dirname(path), "privkey.pem")


def out_of_time(text: bytes) -> str:
    """What is wrong if the first certificate has expired or is not valid yet, else ""."""
    start, end = validity(text)
    now = strftime("%Y%m%d%H%M%SZ", gmtime())
    if now > end:
        return f"the certificate expired on {_date(end)}"
    return f"the certificate is valid only from {_date(start)} on" if now < start else ""


def _date(time: str) -> str:
    return f"{time[:4]}-{time[4:6]}-{time[6:8]}"


def validity(text: bytes) -> tuple[str, str]:
    """notBefore and notAfter of the first certificate in a PEM text, as YYYYMMDDHHMMSSZ. Raises ValueError.

    The standard library only parses the certificates of peers, so the DER is read here (RFC 5280 section 4.1): in
    Certificate and TBSCertificate, after version (if any), serialNumber, signature and issuer, comes Validity.
    """
    _, found, rest = text.partition(b"CERTIFICATE-----")
    if not found:
        raise ValueError("no certificate in it")
    try:
        der = a2b_base64(rest.partition(b"-----END")[0])
        at = _contents(der, _contents(der, 0)[0])[0]
        for _ in range(4 if der[at] == 0xA0 else 3):
            at = _contents(der, at)[1]
        begin, middle = _contents(der, _contents(der, at)[0])
        second, end = _contents(der, middle)
        return _full_year(der[begin:middle]), _full_year(der[second:end])
    except (IndexError, ValueError) as error:
        raise ValueError("the certificate in it is damaged") from error


def _contents(der: bytes, at: int) -> tuple[int, int]:
    """Where the contents of the DER element at `at` begin and end."""
    length, begin = der[at + 1], at + 2
    if length & 0x80:
        more = length & 0x7F
        length, begin = int.from_bytes(der[begin : begin + more], "big"), begin + more
    return begin, begin + length


def _full_year(time: bytes) -> str:
    """A UTCTime (a year of two digits, from 1950 on) or GeneralizedTime, as GeneralizedTime. Raises ValueError."""
    text = time.decode("ascii")
    if not text[:-1].isdigit() or len(text) not in (13, 15):
        raise ValueError(text)
    return text if len(text) == 15 else ("20" if text < "50" else "19") + text
