"""Certificates, made by the `openssl` command when a test asks for them, so that no file in the tree expires."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .home import Home
from .processes import program

KEYS = {
    "ec": ("EC", "ec_paramgen_curve:P-256"),
    "rsa": ("RSA", "rsa_keygen_bits:2048"),
    "weak": ("RSA", "rsa_keygen_bits:1024"),
}
_CONFIGURATION = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
default_days = 90
unique_subject = no
policy = anything
copy_extensions = copy
[anything]
commonName = optional
emailAddress = optional
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


def openssl(*arguments: str) -> bytes:
    """What an openssl command prints; it must succeed."""
    done = subprocess.run([program("openssl"), *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@dataclass
class Certificate:
    """A certificate with its key, two PEM files."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> bytes:
        return self.certificate.read_bytes()

    @property
    def both(self) -> bytes:
        """Certificate and key as one file has them."""
        return self.pem + self.key.read_bytes()

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.pem.decode())

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()


class Authority:
    """A certificate authority with a folder of its own: self-signed, or under another one."""

    def __init__(self, folder: Path, name: str, above: Authority | None = None) -> None:
        self.folder = folder
        folder.mkdir()
        self.config = folder / "config"
        self.config.write_text(_CONFIGURATION.format(folder=folder))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        self._count = 0
        key, request = folder / "own.key", folder / "own.csr"
        _key(key, "ec")
        openssl("req", "-new", "-key", str(key), "-subj", f"/CN={name}", "-out", str(request))
        self.own = Certificate(folder / "own.pem", key)
        signer = above or self
        signer.sign(request, self.own.certificate, "-extensions", "authority", *([] if above else ["-selfsign"]))

    def sign(self, request: Path, result: Path, *options: str) -> None:
        """Sign a request by the rules of the configuration."""
        files = ["-in", str(request), "-out", str(result), "-keyfile", str(self.own.key)]
        if "-selfsign" not in options:
            files += ["-cert", str(self.own.certificate)]
        openssl("ca", "-batch", "-notext", "-config", str(self.config), *files, *options)

    def issue(
        self,
        name: str,
        kind: str = "ec",
        *,
        email: str = "",
        alternative: str = "",
        usage: str = "",
        start: str = "",
        end: str = "",
    ) -> Certificate:
        """A certificate for `name`; start and end as YYMMDDHHMMSSZ, 90 days from now on if they are empty."""
        self._count += 1
        made = Certificate(self.folder / f"{self._count}.pem", self.folder / f"{self._count}.key")
        request = self.folder / f"{self._count}.csr"
        _key(made.key, kind)
        subject = f"/CN={name}" + (f"/emailAddress={email}" if email else "")
        extensions = ["-addext", f"subjectAltName={alternative or 'DNS:' + name}"]
        if usage:
            extensions += ["-addext", f"extendedKeyUsage={usage}"]
        openssl("req", "-new", "-key", str(made.key), "-subj", subject, *extensions, "-out", str(request))
        times = (["-startdate", start] if start else []) + (["-enddate", end] if end else [])
        self.sign(request, made.certificate, *times)
        return made


def _key(path: Path, kind: str) -> None:
    algorithm, option = KEYS[kind]
    openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", str(path))


class Pki:
    """The authorities and certificates that most tests need, each made when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authorities: dict[str, Authority] = {}
        self._made: dict[str, Certificate] = {}

    def authority(self, name: str) -> Authority:
        """`root`, `other` (that nobody trusts) or `middle` (below root)."""
        if name not in self._authorities:
            above = self.authority("root") if name == "middle" else None
            self._authorities[name] = Authority(self.folder / name, f"{name} authority", above)
        return self._authorities[name]

    def server(self, kind: str = "ec", name: str = "mx.example.org") -> Certificate:
        """A server's certificate by the root."""
        label = f"{kind} {name}"
        if label not in self._made:
            alternative = f"DNS:{name},IP:127.0.0.1"
            self._made[label] = self.authority("root").issue(name, kind, alternative=alternative)
        return self._made[label]

    def trusting(self, shown: Certificate | None = None, authority: str = "root") -> ssl.SSLContext:
        """A client's context that trusts one authority, and may have a certificate to show."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # an end without close_notify is told
        context.load_verify_locations(self.authority(authority).own.certificate)
        if shown:
            context.load_cert_chain(shown.certificate, shown.key)
        return context


def install(home: Home, certificate: Certificate) -> None:
    """Make it the certificate of a home, key in the same file."""
    home.control("cert.pem", certificate.both).chmod(0o640)
    home.control("smtpcert", "control/cert.pem\n")
