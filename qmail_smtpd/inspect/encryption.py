"""Certificates, keys and TLS settings: everything that would make a handshake fail."""

from __future__ import annotations

import os
from time import gmtime, strftime, time

from ..control.config import Config
from ..net.certificates import (
    DH_PARAMETERS,
    OLD_PROTOCOLS,
    SERVERCERTS,
    CertificateError,
    out_of_time,
    read_pem,
    server_context,
    validity,
)
from .combinations import certificate
from .controls import PEM
from .findings import Report
from .home import Home, names_in
from .settings import Setting

SOON = 30 * 86400  # seconds before its end from which a certificate is reported


def judge(report: Report, setting: Setting, home: Home, config: Config) -> None:
    """The certificate of one setting; `config` is the configuration of a session in it."""
    path = certificate(setting, home)
    if path.startswith(PEM):
        if setting.sets("SSLCERT"):
            setting.error(report, "SSLCERT is a PEM text; set it to the path of a PEM file")
    elif path:
        _certificate(report, os.fsdecode(path), config)


def judge_home(report: Report, home: Home, config: Config) -> None:
    """The certificates of server names, and the settings of TLS: what does not depend on the environment."""
    for name in names_in(SERVERCERTS):
        path = f"{SERVERCERTS}/{name}"
        if name.endswith((".key", ".csr")):
            continue
        if not name.endswith(".pem"):
            report.warning(path, "is not used: certificates in this folder are named NAME.pem")
        elif name != name.lower():
            report.error(path, "is never found: server names are looked up in lower case; rename it")
        else:
            config.certificate = os.fsencode(path)
            _certificate(report, path, config)
    if home.has("tlsclients") and not home.has("clientca.pem"):
        report.error("control/tlsclients", "has no effect without control/clientca.pem: no client sends a certificate")
    word = config.tlsdheparams.decode("latin1")
    if word not in ("none", *DH_PARAMETERS):
        report.warning("control/tlsdheparams", f"{word!r} counts as none; known: none, auto, legacy", 1)
    elif word != "none" and config.tlsciphers.decode("latin1").lower() not in OLD_PROTOCOLS:
        report.warning("control/tlsdheparams", "has no effect unless control/tlsciphers says legacy or insecure", 1)


def _instead(file: str) -> str:
    """A note on where a file is looked for that does not exist, if that may be the mistake."""
    if os.path.isabs(file) or os.path.lexists(file):
        return ""
    meant = f"control/{file}"
    return f": did you mean {meant}?" if os.path.exists(meant) else " in the qmail home"


def _certificate(report: Report, path: str, config: Config) -> None:
    try:
        server_context(config, lambda text: None)
        text = read_pem(path)
        (_, end), trouble = validity(text), out_of_time(text)
    except CertificateError as unusable:
        file, _, reason = str(unusable).partition(": ")
        report.error(file, f"{reason}{_instead(file)}; STARTTLS gets 454")
        return
    except (OSError, ValueError) as error:
        report.error(path, str(error))
        return
    if trouble:
        report.error(path, f"{trouble}; it is used all the same, and clients that verify it do not send: replace it")
    elif end < strftime("%Y%m%d%H%M%SZ", gmtime(time() + SOON)):
        report.warning(path, f"the certificate expires at {end[:4]}-{end[4:6]}-{end[6:8]}: get a new one")
