"""Stored passwords made by other programs than ours: slappasswd, openssl, perl, and published examples."""

from __future__ import annotations

import base64
import subprocess

from ..support.processes import program

PASSWORD = "pässwörd with spaces {and} $signs"  # sent in UTF-8
SLAPPASSWD = ["SSHA", "SHA", "SMD5", "MD5"]
SLAPPASSWD_SHA2 = ["SHA256", "SSHA256", "SHA384", "SSHA384", "SHA512", "SSHA512"]
CRYPT_FORMATS = {
    "des": "%.2s",
    "md5": "$1$%.8s",
    "sha256": "$5$%.16s",
    "sha512": "$6$%.16s",
    "yescrypt": "$y$j75$%.16s",
}
OPENSSL_FORMATS = {"md5": "-1", "sha256": "-5", "sha512": "-6"}
# Password and hash as published with the algorithms or in the manual pages of other systems.
PUBLISHED = {
    "des": ("rasmuslerdorf", "rl.3StKT.4T8M"),
    "md5": ("rasmuslerdorf", "$1$rasmusle$rISCgZzpwk3UhDidwXvin0"),
    "bcrypt": ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "sha256": ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    "sha512": (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
}


def output(argv: list[str], data: bytes = b"") -> bytes:
    """What a program prints."""
    done = subprocess.run([program(argv[0]), *argv[1:]], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def slappasswd(scheme: str, password: str = PASSWORD, *options: str) -> str:
    return output(["slappasswd", *options, "-n", "-h", f"{{{scheme}}}", "-s", password]).decode()


def slappasswd_crypt(form: str, password: str = PASSWORD) -> str:
    """{CRYPT} with a salt of this printf(3) form."""
    return output(["slappasswd", "-n", "-c", form, "-s", password]).decode()


def slappasswd_sha2(scheme: str) -> str:
    return slappasswd(scheme, PASSWORD, "-o", "module-path=/usr/lib/ldap", "-o", "module-load=pw-sha2")


def openssl_passwd(option: str, password: str = PASSWORD) -> str:
    return output(["openssl", "passwd", option, "-stdin"], password.encode()).decode().strip()


def openssl_digest(scheme: str, name: str, password: str = PASSWORD) -> str:
    argv = ["openssl", "dgst", "-provider", "legacy", "-provider", "default", f"-{name}", "-binary"]
    return f"{{{scheme}}}{base64.b64encode(output(argv, password.encode())).decode()}"


def perl_ns_mta_md5(password: str = PASSWORD, salt: str = "0123456789abcdef0123456789ABCDEF") -> str:
    script = "use Digest::MD5 'md5_hex'; local $/; $p = <STDIN>; print md5_hex($ARGV[0].chr(89).$p.chr(247).$ARGV[0])"
    return "{NS-MTA-MD5}" + output(["perl", "-e", script, salt], password.encode()).decode() + salt


def all_schemes() -> dict[str, str]:
    """Name to stored value, for PASSWORD, whatever the scheme."""
    made = {name: slappasswd(name) for name in SLAPPASSWD}
    made |= {name: slappasswd_sha2(name) for name in SLAPPASSWD_SHA2}
    made |= {f"CRYPT-{name}": slappasswd_crypt(form) for name, form in CRYPT_FORMATS.items()}
    made |= {f"openssl-{name}": openssl_passwd(option) for name, option in OPENSSL_FORMATS.items()}
    made |= {f"{{crypt}}-{name}": "{crypt}" + openssl_passwd(option) for name, option in OPENSSL_FORMATS.items()}
    made["NS-MTA-MD5"] = perl_ns_mta_md5()
    made["RMD160"] = openssl_digest("RMD160", "ripemd160")
    made["ssha"] = slappasswd("SSHA").replace("{SSHA}", "{sSha}")
    return made


MALFORMED = [
    "{SSHA}",
    "{SSHA}AAAA",
    "{SSHA}====",
    "{SSHA}not base64 at all",
    "{SHA}" + base64.b64encode(b"x" * 19).decode(),
    "{SHA}" + base64.b64encode(b"x" * 21).decode(),
    "{SSHA}" + base64.b64encode(b"x" * 20).decode(),
    "{MD5}",
    "{SMD5}AAAA",
    "{SSHA512}" + base64.b64encode(b"x" * 64).decode(),
    "{NS-MTA-MD5}",
    "{NS-MTA-MD5}" + "0" * 63,
    "{NS-MTA-MD5}" + "0" * 65,
    "{NS-MTA-MD5}" + "\x80" * 64,
    "{CRYPT}",
    "{CRYPT}x",
    "{CRYPT}*",
    "{CRYPT}*0*0*0*0*0*0*0",
    "{CRYPT}!",
    "{CRYPT}$6$",
    "{CRYPT}$6$salt$",
    "{CRYPT}$9$unknown$method",
    "{CRYPT}$2a$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "!$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    "x",
    "*",
    "{",
    "{}",
    "{SSHA",
    PASSWORD,
    "::::::::::::::",
]
