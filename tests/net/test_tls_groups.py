"""No finite field: which groups and ciphers are offered, as two scanners and OpenSSL see them (SPEC section 10)."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qmail_smtpd.net import groups, openssl

from ..support.activation import Resident
from ..support.certificates import Pki, install
from ..support.home import Home
from ..support.processes import program, wait_until

OURS = {"X25519", "P-256", "P-384"}
FINITE = [f"ffdhe{bits}" for bits in (2048, 3072, 4096, 6144, 8192)]


@pytest.fixture(scope="module")
def server(public_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resident]:
    home = Home(public_folder / "groups", {"tlsdheparams": "auto\n"})
    install(home, Pki(tmp_path_factory.mktemp("pki")).server("rsa"))
    with Resident(home, "stdin", LOGLEVEL="3") as resident:
        yield resident


def s_client(server: Resident, *options: str) -> str:
    argv = [program("openssl"), "s_client", "-connect", f"127.0.0.1:{server.port}", "-starttls", "smtp", *options]
    return subprocess.run(argv, input="QUIT\r\n", capture_output=True, text=True, timeout=60, check=False).stdout


@pytest.mark.parametrize("group", sorted(OURS))
@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_a_group_of_ours_and_its_place_in_the_log(server: Resident, group: str, version: str) -> None:
    said = s_client(server, f"-{version}", "-groups", group)
    assert "Cipher is (NONE)" not in said
    wait_until(lambda: f" group={group}\n" in server.log, server.log)


@pytest.mark.parametrize("group", [*FINITE, "P-521", "X448"])
def test_others_are_refused(server: Resident, group: str) -> None:
    assert "Cipher is (NONE)" in s_client(server, "-tls1_3", "-groups", group)


def test_a_hello_that_has_to_be_asked_for_again(server: Resident) -> None:
    """HelloRetryRequest: the key share was that of a group we do not take."""
    assert "Cipher is (NONE)" not in s_client(server, "-tls1_3", "-groups", "ffdhe8192:P-521:P-384")


def test_sslscan(server: Resident) -> None:
    argv = [program("sslscan"), "--starttls-smtp", "--show-sigs", "--xml=-", f"127.0.0.1:{server.port}"]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=True)
    seen = ElementTree.fromstring(done.stdout)
    groups = {found.attrib["name"] for found in seen.iter("group")}
    assert groups == {"x25519", "secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)"}
    ciphers = {found.attrib["cipher"] for found in seen.iter("cipher")}
    assert len(ciphers) > 5
    assert not [name for name in ciphers if not name.startswith(("TLS_", "ECDHE-")) or "ARIA" in name or "CCM8" in name]
    assert {found.attrib["sslversion"] for found in seen.iter("cipher")} == {"TLSv1.2", "TLSv1.3"}


@pytest.mark.timeout(600)  # it has many handshakes to make
def test_testssl(server: Resident, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    argv = [program("testssl"), "--quiet", "--color", "0", "-f", "-t", "smtp", "--jsonfile", str(report)]
    subprocess.run([*argv, f"127.0.0.1:{server.port}"], capture_output=True, timeout=580, check=False)
    # Forward secrecy is PFS to testssl 3.0, FS to 3.2.
    found = {one["id"].removeprefix("P"): one["finding"] for one in json.loads(report.read_text())}
    assert {name.partition("-")[0].partition("_")[0] for name in found["FS_ciphers"].split()} == {"ECDHE", "TLS"}
    assert set(found["FS_ECDHE_curves"].split()) == {"prime256v1", "secp384r1", "X25519"}
    assert found.get("FS_KEMs", "X25519MLKEM768") == "X25519MLKEM768"
    assert not [name for name in found if "DH_group" in name]


# Fails closed


def test_without_a_way_to_set_them_p_256_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        curves: list[str] = []

        def set_ecdh_curve(self, name: str) -> None:
            self.curves.append(name)

    context: Any = Context()
    monkeypatch.setattr(openssl.sys, "implementation", SimpleNamespace(name="other"))
    assert groups.restrict(context) == "groups cannot be set, only P-256 is offered: NotImplementedError"
    assert context.curves == ["prime256v1"]


def test_newer_interpreters_have_a_way_of_their_own() -> None:
    class Context:
        options = 0
        taken: list[str] = []

        def set_ecdh_curve(self, name: str) -> None:
            pass

        def set_groups(self, names: str) -> None:
            if "MLKEM" in names:
                raise groups.ssl.SSLError("unknown group")
            self.taken.append(names)

    context: Any = Context()
    assert groups.restrict(context) == ""
    assert context.taken == ["X25519:P-256:P-384"]


def test_what_is_no_flight_names_no_group() -> None:
    hello = bytes.fromhex("160303002e0200002a0303") + bytes(32) + bytes.fromhex("00130100")
    for text in (b"", b"\x15\x03\x03\0\2\2\x28", hello, hello[:20], b"\x16\x03\x03\xff\xff\2"):
        assert groups.agreed(text) == b""
    assert groups.agreed(hello + b"") == b""
