"""The peak of the receiver's own resident memory for messages of different sizes, told by its queue program
(peak_queue.c) when the whole message has gone through. The message comes through a pipe."""

from __future__ import annotations

from collections.abc import Iterator

from measure import run
from place import CLIENT, LINE, OURS, Place, mailfront, talk
from scale import Scale
from table import LEFT_OUT, Row

SIZES = {"1 kB": 1 << 10, "1 MB": 1 << 20, "200 MB": 200 << 20, "1 GB": 1 << 30}
WITHIN = 1024  # kB that the peaks of 1 MB and of the largest may differ by


def rows(place: Place, scale: Scale) -> list[Row]:
    """Each size against 1 MB; the largest is 1 GB with --big, 200 MB without."""
    sizes = dict(SIZES)
    if not scale.big:
        del sizes["1 GB"]
    peaks = {name: peak(place, [OURS], size) for name, size in sizes.items()}
    usual = peaks["1 MB"]
    limit = 1 + WITHIN / usual
    made = []
    for name, found in peaks.items():
        budgets = [("RSS", "<=", round(limit, 3))] if sizes[name] > SIZES["1 MB"] else []
        absolute = f"{found} / {usual} kB"
        if name != "1 MB":
            made.append(Row(f"message of {name}", "message of 1 MB", {"RSS": found / usual}, absolute, budgets))
    return [*made, _beside_mailfront(place, usual)]


def _beside_mailfront(place: Place, usual: int) -> Row:
    if not mailfront():
        return Row("message of 1 MB", "mailfront", {}, LEFT_OUT)
    theirs = peak(place, mailfront(), SIZES["1 MB"])
    return Row("message of 1 MB", "mailfront", {"RSS": usual / theirs}, f"{usual} / {theirs} kB")


def peak(place: Place, argv: list[str], size: int, home: str = "home") -> int:
    """kB, the larger of two sessions."""
    told = place.path / "peak"
    env = place.env(home, **CLIENT, QMAILQUEUE=str(place.path / "peak_queue"), PEAK=str(told))
    peaks = []
    for _ in range(2):
        run(argv, env, feed=_session(size))
        peaks.append(int(told.read_text().split()[1]))
    return max(peaks)


def _session(size: int) -> Iterator[bytes]:
    """The session in pieces of some 64 kB."""
    begin, _, end = talk(b"Subject: bench\r\n\r\n").rpartition(b".\r\nQUIT")
    yield begin
    lines = (LINE + b"\r\n") * 850
    left = size
    while left > len(LINE):
        whole = min(left // (len(LINE) + 2), 850)
        yield lines[: whole * (len(LINE) + 2)]
        left -= max(whole, 1) * (len(LINE) + 2)
    yield b".\r\nQUIT" + end
