"""The client's descriptors: timed, buffered, never blocked for ever (SPEC section 1)."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import termios
import threading
from collections.abc import Iterator

import pytest

from qmail_smtpd.net.wire import ClientGone, Layer, Place, ReadTimeout, SessionTimeout, Wire


class Pair:
    """A wire and the client's end of it."""

    def __init__(self) -> None:
        self.client, self._ours = socket.socketpair()
        self.client.settimeout(20)
        self.wire = Wire(20, self._ours.fileno(), self._ours.fileno())

    def close(self) -> None:
        self.client.close()
        self._ours.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_flushed_before_it_waits(pair: Pair) -> None:
    pair.wire.write(b"220 hello\r\n")
    pair.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        pair.client.recv(99)
    pair.client.setblocking(True)
    pair.client.sendall(b"x")
    assert pair.wire.read() == b"x"
    assert pair.client.recv(99) == b"220 hello\r\n"


def test_replies_go_out_in_one_write(pair: Pair) -> None:
    for number in range(50):
        pair.wire.write(b"250 %d\r\n" % number)
    pair.wire.flush()
    assert pair.client.recv(9999) == b"".join(b"250 %d\r\n" % number for number in range(50))


def test_penalties_are_told_first(pair: Pair) -> None:
    pair.wire.write(b"535 no\r\n")
    pair.wire.sleep(0)
    assert pair.client.recv(99) == b"535 no\r\n"


def test_end_of_input(pair: Pair) -> None:
    pair.client.shutdown(socket.SHUT_WR)
    with pytest.raises(ClientGone):
        pair.wire.read()


def test_a_silent_client(pair: Pair) -> None:
    pair.wire.timeout = 0.01
    with pytest.raises(ReadTimeout):
        pair.wire.read()


def test_a_session_that_lasts_too_long(pair: Pair) -> None:
    """The limit counts, not what the client sends meanwhile."""
    pair.wire.deadline = 0.0
    pair.client.sendall(b"NOOP\r\n")
    with pytest.raises(SessionTimeout):
        pair.wire.read()


def test_the_session_ends_in_mid_silence(pair: Pair) -> None:
    pair.wire.limit(1)
    with pytest.raises(SessionTimeout):
        pair.wire.read()


def test_penalties_end_with_the_session(pair: Pair) -> None:
    """Also while input lies in our buffer, so that nothing is read."""
    pair.wire.limit(1)
    pair.wire.write(b"535 no\r\n")
    with pytest.raises(SessionTimeout):
        pair.wire.sleep(1000)
    assert pair.client.recv(99) == b"535 no\r\n"
    with pytest.raises(SessionTimeout):
        pair.wire.sleep(1)
    pair.wire.sleep(0)


def test_nobody_to_write_to(pair: Pair) -> None:
    pair.client.close()
    with pytest.raises(ClientGone):
        pair.wire.write(b"220\r\n")
        pair.wire.flush()


def test_a_client_that_does_not_read(pair: Pair) -> None:
    pair.wire.timeout = 0.05
    with pytest.raises(ClientGone):
        pair.wire.write(b"x" * 10_000_000)
        pair.wire.flush()


def test_a_client_that_reads_slowly_gets_everything(pair: Pair) -> None:
    data = os.urandom(3_000_000)
    got: list[bytes] = []

    def read() -> None:
        while sum(map(len, got)) < len(data):
            got.append(pair.client.recv(1000))

    reader = threading.Thread(target=read)
    reader.start()
    pair.wire.write(data)
    pair.wire.flush()
    reader.join()
    assert b"".join(got) == data


def test_whether_input_is_there(pair: Pair) -> None:
    assert not pair.wire.readable(0)
    pair.client.sendall(b"x")
    assert pair.wire.readable(10)
    assert pair.wire.read() == b"x"
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.wire.readable(10), "the end counts"


def test_whether_the_client_is_there(pair: Pair) -> None:
    assert pair.wire.peer_is_there()
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.wire.peer_is_there(), "it only has no more to say"
    pair.client.close()
    assert not pair.wire.peer_is_there()


def test_two_pipes_will_do() -> None:
    to_us, from_client = os.pipe()
    to_client, from_us = os.pipe()
    wire = Wire(20, to_us, from_us)
    os.write(from_client, b"NOOP\r\n")
    assert wire.read() == b"NOOP\r\n"
    wire.write(b"x" * 30_000)
    wire.flush()
    assert os.read(to_client, 65536) == b"x" * 30_000
    assert wire.peer_is_there()
    os.close(to_client)
    assert not wire.peer_is_there()
    for fd in (to_us, from_client, from_us):
        os.close(fd)


def test_a_pause_ends_when_the_client_leaves(pair: Pair) -> None:
    pair.client.close()
    assert pair.wire.has_left()
    with pytest.raises(ClientGone):
        pair.wire.sleep(3600)


def test_a_pause_is_not_ended_by_the_end_of_output_while_there_are_commands(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script sends its whole dialog, and then nothing more."""
    pair.client.sendall(b"QUIT\r\n")
    pair.client.shutdown(socket.SHUT_WR)
    assert not pair.wire.has_left()
    pair.wire.sleep(0.001)
    assert pair.wire.read() == b"QUIT\r\n"
    assert pair.wire.has_left()
    pair.wire.unread = lambda: True
    pair.wire.sleep(0.001)
    pair.wire.unread = lambda: False
    pair.wire.encryption = Layer()
    monkeypatch.setattr(Layer, "readable", lambda layer: True)
    pair.wire.sleep(0.001)
    pair.client.close()
    with pytest.raises(ClientGone):
        pair.wire.sleep(3600)


def test_a_device_has_nothing_to_read(pair: Pair) -> None:
    pair.client.shutdown(socket.SHUT_WR)
    with open("/dev/null", "rb") as null:
        assert Wire(20, null.fileno(), pair.wire._out).has_left()


def test_a_pause_in_a_pipe_is_not_ended_by_the_end_of_its_input() -> None:
    """A dialog that is all there already, as a script sends it."""
    (ours_in, its_out), (its_in, ours_out) = os.pipe(), os.pipe()
    os.close(its_out)
    wire = Wire(20, ours_in, ours_out)
    assert not wire.has_left()
    wire.sleep(0.001)
    for fd in (ours_in, ours_out, its_in):
        os.close(fd)


@pytest.fixture
def hurried(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Others wait for its place: it must not be kept for long."""
    monkeypatch.setattr("qmail_smtpd.net.wire.CROWDED", 0.01)
    monkeypatch.setattr("qmail_smtpd.net.wire.LOOK_AGAIN", 0.01)
    pair.wire.timeout = 3600
    monkeypatch.setattr(Place, "crowded", lambda self: True)
    return pair


def test_who_gets_nowhere_makes_room(hurried: Pair) -> None:
    hurried.wire.progress()
    with pytest.raises(ReadTimeout):
        hurried.wire.read()


def test_idle_talk_is_no_progress(hurried: Pair) -> None:
    hurried.wire.progress()
    with pytest.raises(ReadTimeout):
        while True:
            hurried.client.sendall(b"NOOP\r\n")
            hurried.wire.read()


def test_who_does_not_read_makes_room(hurried: Pair) -> None:
    hurried.wire.progress()
    with pytest.raises(ClientGone):
        hurried.wire.send(b"x" * 10_000_000)


def test_who_reads_late_gets_the_last_word(hurried: Pair) -> None:
    """A check may have taken longer than CROWDED: what can be written at once is."""
    hurried.wire.progress()
    with pytest.raises(ReadTimeout):
        hurried.wire.read()
    hurried.wire.write(b"451 timeout\r\n")
    hurried.wire.flush()
    assert hurried.client.recv(99) == b"451 timeout\r\n"


def test_nobody_makes_room_for_nobody(hurried: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked for again and again; the first time that others wait is the last."""
    answers = [False, False, False, True]
    monkeypatch.setattr(Place, "crowded", lambda self: answers.pop(0))
    hurried.wire.progress()
    with pytest.raises(ReadTimeout):
        hurried.wire.read()
    assert not answers


def test_a_message_is_not_hurried(hurried: Pair) -> None:
    hurried.wire.progress()
    hurried.wire.progress(waiting=False)
    timer = threading.Timer(0.1, hurried.client.sendall, [b"late"])
    timer.start()
    assert hurried.wire.read() == b"late"
    timer.join()


class Noted(Place):
    """Notes how many bytes its client could read when it was left."""

    def __init__(self, client: socket.socket) -> None:
        self.left: list[int] = []
        self._client = client

    def leave(self) -> None:
        self.left.append(_unread(self._client))


def _unread(client: socket.socket) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(client, termios.FIONREAD, count)
    return count[0]


class Null(Layer):
    """An encryption that changes nothing; its end is a dot."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def write(self, data: bytes) -> None:
        self._wire.send(data)

    def close(self) -> None:
        self._wire.send(b".")


@pytest.fixture(params=["in clear", "encrypted"])
def leaving(pair: Pair, request: pytest.FixtureRequest) -> Pair:
    pair.wire.place = Noted(pair.client)
    if request.param == "encrypted":
        pair.wire.encryption = Null(pair.wire)
    return pair


def fill(pair: Pair) -> None:
    """Send what the client does not read, until no more is taken."""
    pair._ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            pair._ours.send(bytes(1000))
    pair._ours.setblocking(True)


def test_a_place_is_left_before_the_client_sees_the_end(leaving: Pair) -> None:
    """It may connect again at once, and need that place."""
    leaving.wire.write(b"221 bye\r\n")
    leaving.wire.part(quiet=True)
    assert leaving.wire.place.left == [0]  # type: ignore[attr-defined]


def test_who_does_not_read_the_end_keeps_its_place(leaving: Pair) -> None:
    """As long as timeoutsmtpd, perhaps: it counts, and the worker is not soon ready for another client."""
    fill(leaving)
    leaving.wire.timeout = 0.05
    leaving.wire.write(b"221 bye\r\n")
    with pytest.raises(ClientGone):
        leaving.wire.part(quiet=True)
    assert leaving.wire.place.left == []  # type: ignore[attr-defined]


def test_who_has_much_to_read_leaves_after_it(leaving: Pair) -> None:
    leaving.wire.write(b"x" * 5000)
    leaving.wire.part(quiet=True)
    assert leaving.wire.place.left == [_unread(leaving.client)]  # type: ignore[attr-defined]


def test_who_has_left_is_not_waited_for(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last reply was all that it took: the end of the encryption, which few look at, is not sent."""
    pair.wire.place = place = Noted(pair.client)
    pair.wire.encryption = Null(pair.wire)
    pair.wire.write(b"221 bye\r\n")
    send = pair.wire.send
    monkeypatch.setattr(pair.wire, "send", lambda data: (send(data), fill(pair)))
    pair.wire.part(quiet=True)
    assert place.left == [0]
