"""The values of sendmail's macros, which milters get along with commands (SPEC section 15).

Each function returns the macros that its stage adds, by name. A value that is not known is missing or empty, and is not
sent.
"""

from __future__ import annotations

from ..smtp.address import split
from ..smtp.received import PRODUCT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session.facts import Session
    from ..smtp.events import Mail, Rcpt

    Values = dict[bytes, bytes]


def of_connection(session: Session) -> Values:
    client, env = session.client, session.env
    name = client.host if client.has_name() else b""
    return {
        b"j": session.config.me,
        b"v": PRODUCT,
        b"{daemon_name}": session.config.me,
        b"{daemon_port}": env.get(b"TCPLOCALPORT", b""),
        b"{client_addr}": client.ip,
        b"{client_name}": name,
        b"{client_ptr}": name,
        b"{client_port}": env.get(b"TCPREMOTEPORT", b""),
        b"{if_addr}": env.get(b"TCPLOCALIP", b""),
        b"{if_name}": env.get(b"TCPLOCALHOST", b""),
    }


def of_encryption(session: Session) -> Values:
    """TLS version, cipher and client certificate; none in clear."""
    layer = session.encryption
    if layer is None:
        return {}
    presented = layer.client
    return {
        b"{tls_version}": layer.version,
        b"{cipher}": layer.cipher,
        b"{cipher_bits}": layer.cipher_bits,
        b"{cert_subject}": presented.subject if presented else b"",
        b"{cert_issuer}": presented.issuer if presented else b"",
    }


def of_mail(session: Session, event: Mail, ident: bytes, mechanism: bytes) -> Values:
    address = event.address or b""
    authenticated = session.user is not None
    return {
        b"i": ident,
        b"{auth_authen}": session.user or b"",
        b"{auth_type}": mechanism.upper() if authenticated else b"",
        b"{auth_author}": _author(event.parameters) if authenticated else b"",
        b"{mail_addr}": address,
        b"{mail_host}": split(address)[1] or b"",
        b"{mail_mailer}": b"smtp",
    }


def of_rcpt(session: Session, event: Rcpt, refused: bool) -> Values:
    address = event.address or b""
    domain = split(address)[1]
    accepted = session.transaction.recipients if session.transaction is not None else []
    mailer = b"local" if session.hosts.local(domain) else b"smtp"
    return {
        b"{rcpt_addr}": address,
        b"{rcpt_host}": domain or b"",
        b"{rcpt_mailer}": b"error" if refused else mailer,
        b"{nrcpts}": b"%d" % len(accepted),
    }


def _author(parameters: list[bytes]) -> bytes:
    """The AUTH= parameter of MAIL (RFC 4954 section 5), b"" without one and for <>, which means "unknown"."""
    for word in parameters:
        if word[:5].upper() == b"AUTH=" and word[5:] != b"<>":
            return word[5:]
    return b""
