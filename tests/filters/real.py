"""What the tests with real filters share: recipes set up on an island, messages, keys."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..support.home import Home, Queued, codes
from ..support.island import Island, island
from ..support.processes import program
from ..support.recipes import recipe

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@contextmanager
def site(
    folder: Path, titles: list[str], zones: dict[str, str] | None = None, etc: dict[str, str] | None = None
) -> Iterator[tuple[Island, Home]]:
    """The recipes of these titles, written but not started; the home has their control files, one after the other."""
    recipes = [recipe(title) for title in titles]
    files = {path.removeprefix("/etc/"): text for one in recipes for path, text in one.files.items()}
    place = folder / "island"
    place.mkdir(parents=True)
    home = Home(folder / "home")
    for name in {name for one in recipes for name in one.control}:
        home.control(name, "".join(one.control.get(name, "") for one in recipes))
    with island(place, zones or {}, {**files, **(etc or {})}) as made:
        yield made, home


def session(body: str, header: str = "", sender: str = "joe@sender.example", before: str = "") -> str:
    fields = f"From: <{sender}>\r\nTo: <u@example.org>\r\nSubject: a test\r\nMessage-ID: <1@sender.example>\r\n"
    fields += "Date: Wed, 25 Nov 2026 20:00:00 +0000\r\nMIME-Version: 1.0\r\n" + header
    return (
        f"EHLO client.example.net\r\n{before}MAIL FROM:<{sender}>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"
        f"{fields}\r\n{body}\r\n.\r\nQUIT\r\n"
    )


def last_reply(stdout: bytes) -> bytes:
    """To the message: the one before the answer to QUIT."""
    codes(stdout)
    return stdout.split(b"\r\n")[-3]


def received(home: Home) -> Queued:
    """The one message that was queued since the last time."""
    (queued,) = home.queued()
    for path in (home.path / "queued").glob("*.json"):
        path.unlink()
    return queued


def make_key(path: Path) -> str:
    """A DKIM key, and the text of its record."""
    subprocess.run([program("openssl"), "genrsa", "-out", str(path), "2048"], check=True, capture_output=True)
    argv = [program("openssl"), "rsa", "-in", str(path), "-pubout", "-outform", "DER"]
    der = subprocess.run(argv, check=True, capture_output=True).stdout
    text = f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
