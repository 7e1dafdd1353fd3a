"""SIZE= over databytes is refused at MAIL (SPEC section 5, MAIL 4; RFC 1870)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play


@pytest.mark.parametrize(
    "parameters",
    [
        "SIZE=101",
        "size=101",
        "BODY=8BITMIME SIZE=101",
        "SIZE=101 BODY=7BIT",
        "SIZE=18446744073709551616",
        "SIZE=" + "9" * 400,
        "SIZE=101x",
        " SIZE=0000000101",
    ],
)
def test_refused(parameters: str) -> None:
    play(f"C: MAIL FROM:<s@x.example> {parameters}\nS: 552 (#5.3.4)", DATABYTES="100")


@pytest.mark.parametrize(
    "parameters", ["", "SIZE=100", "SIZE=0", "SIZE=", "SIZE", "SIZE=x", "XSIZE=101", "SIZE 101", "BODY=101"]
)
def test_welcome(parameters: str) -> None:
    play(f"C: MAIL FROM:<s@x.example> {parameters}\nS: 250", DATABYTES="100")


@pytest.mark.parametrize("env", [{}, {"DATABYTES": ""}, {"DATABYTES": "0"}, {"DATABYTES": "x"}])
def test_without_a_limit(env: dict[str, str]) -> None:
    play("C: MAIL FROM:<s@x.example> SIZE=99999999999\nS: 250", **env)


def test_the_variable_overrides_the_file() -> None:
    play("C: MAIL FROM:<s@x.example> SIZE=60\nS: 552", {"databytes": b"100\n"}, DATABYTES="50")
    play("C: MAIL FROM:<s@x.example> SIZE=60\nS: 250", {"databytes": b"50\n"}, DATABYTES="100")
    play("C: MAIL FROM:<s@x.example> SIZE=60\nS: 552", {"databytes": b"50\n"})


@pytest.mark.parametrize(("size", "reply"), [(99, "250"), (100, "250"), (101, "552 (#5.3.4)"), (5000, "552 (#5.3.4)")])
def test_what_was_not_announced_is_counted(size: int, reply: str) -> None:
    """Bytes as stored, LF line ends; the dot that is stuffed does not count, our trace header neither."""
    text = "C: ..\n" + "C: " + "x" * (size - 3) + "\n"
    ending = play(
        f"C: MAIL FROM:<s@x>\nS: 250\nC: RCPT TO:<u@example.org>\nS: 250\nC: DATA\nS: 354\n{text}C: .\nS: {reply}",
        DATABYTES="100",
    )
    assert len(ending.queued) == (size <= 100)
    assert (b"xxx" in ending.started[0].text) == (size <= 100), "what is too big is not kept either"
