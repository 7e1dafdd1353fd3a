"""A real OpenLDAP server for a test: its own folder, loopback ports and ldapi socket, never root."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from .processes import ROOT, accepts, free_port, program, running

CONTRIB = ROOT / "contrib" / "ldap"
SUFFIX = "dc=example,dc=org"
READER = f"cn=mail,{SUFFIX}"
READER_PASSWORD = "reads-everything"
ROOT_DN = f"cn=root,{SUFFIX}"
ROOT_PASSWORD = "writes-everything"
USER = "openldap"


@dataclass
class Certificate:
    """A key and a self-signed certificate, so that the certificate is its own authority."""

    key: Path
    certificate: Path


def make_certificate(folder: Path, name: str = "127.0.0.1") -> Certificate:
    """For `name`, a host or an address, to which clients are to connect.

    Not localhost: libldap checks that name as if it were the name of this machine.
    """
    made = Certificate(folder / f"{name}.key", folder / f"{name}.pem")
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    kind = "IP" if name[0].isdigit() else "DNS"
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}"]
    files = ["-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run([program("openssl"), *command, *names, *files], check=True, capture_output=True)
    made.key.chmod(0o644)
    return made


@dataclass
class Slapd:
    """A server that has been filled; `running()` runs it."""

    folder: Path
    port: int
    tls_port: int
    options: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"ldap://127.0.0.1:{self.port}/"

    @property
    def host_port(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ldapi(self) -> str:
        return f"ldapi://{quote(str(self.folder / 'ldapi'), safe='')}"

    @property
    def ldaps(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}/"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def searches(self) -> list[str]:
        """The filters asked for so far, as slapd logs them before it looks."""
        return re.findall(r' SRCH base="[^"]*" scope=2 deref=0 filter="(.*)"$', self._logged(), re.MULTILINE)

    def connections(self) -> int:
        """How many connections it has accepted so far, not counting those of our own probes."""
        return len(set(re.findall(r" (conn=\d+) op=\d+ BIND ", self._logged())))

    def closed(self) -> int:
        """How many connections that had bound have ended."""
        bound = set(re.findall(r" (conn=\d+) op=\d+ BIND ", self._logged()))
        return len(bound & set(re.findall(r" (conn=\d+) fd=\d+ closed", self._logged())))

    def _logged(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it until the end of the `with`, or until the caller stops it."""
        listen = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port} {self.ldapi}"
        argv = [program("slapd"), "-h", listen, "-f", str(self.folder / "slapd.conf"), "-d", "stats", *_as_user()]
        with running(argv, log=self.log, ready=lambda: accepts(self.port)) as process:
            yield process


def _as_user() -> list[str]:
    return ["-u", USER, "-g", USER] if os.geteuid() == 0 else []


def _configuration(folder: Path, certificate: Certificate | None, extra: str) -> str:
    schema = [Path("/etc/ldap/schema") / f"{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson")]
    includes = "\n".join(f"include {path}" for path in [*schema, CONTRIB / "qmail.schema"])
    tls = (
        f"TLSCertificateFile {certificate.certificate}\nTLSCertificateKeyFile {certificate.key}" if certificate else ""
    )
    return f"""
{includes}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
threads 4
{tls}
database mdb
suffix "{SUFFIX}"
rootdn "{ROOT_DN}"
rootpw {ROOT_PASSWORD}
directory {folder}/db
maxsize 67108864
dbnosync
index objectClass,uid,mail,mailAlternateAddress eq
{extra}
access to attrs=userPassword by dn.exact="{READER}" read by anonymous auth by * none
access to * by * read
"""


@contextmanager
def slapd(ldif: str, certificate: Certificate | None = None, extra: str = "") -> Iterator[Slapd]:
    """A filled server, not yet running, in a folder of its own that is removed at the end.

    `extra` goes into the database section of its configuration. slapadd is told not to check the schema, so
    that an entry may be as wrong as a test needs it.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="slapd-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        (folder / "db").mkdir()
        own = Certificate(folder / "key.pem", folder / "certificate.pem") if certificate else None
        if certificate and own:
            shutil.copy(certificate.key, own.key)
            shutil.copy(certificate.certificate, own.certificate)
        (folder / "slapd.conf").write_text(_configuration(folder, own, extra))
        (folder / "people.ldif").write_text(ldif)
        command = [program("slapadd"), "-q", "-s", "-f", f"{folder}/slapd.conf", "-l", f"{folder}/people.ldif"]
        added = subprocess.run(command, capture_output=True, text=True, check=False)
        assert added.returncode == 0, added.stderr
        if os.geteuid() == 0:
            owner = pwd.getpwnam(USER)
            for path in [folder, folder / "db", *(folder / "db").iterdir()]:
                os.chown(path, owner.pw_uid, owner.pw_gid)
        yield Slapd(folder, free_port(), free_port(socket.SOCK_STREAM))


def generated(people: int) -> str:
    """The directory that contrib/ldap/make-directory.py writes, with an entry for the reader."""
    script = CONTRIB / "make-directory.py"
    made = subprocess.run([str(script), str(people)], check=True, capture_output=True, text=True)
    reader = f"dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: mail\n"
    return f"{made.stdout}\n{reader}userPassword: {READER_PASSWORD}\n"
