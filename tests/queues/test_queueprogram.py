"""The envelope as a queue program reads it: in any pieces, whatever it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.queues import queueprogram

from ..support.queue_program import envelope_of


def envelope_result(blocks: list[bytes]) -> object:
    """What read_envelope makes of these reads: the addresses or the exit code."""
    reads = iter([block for block in blocks if block])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("posix.read", lambda fd, size: next(reads, b""))
        try:
            return queueprogram.read_envelope()
        except queueprogram.Failure as failure:
            return failure.code


addresses = st.binary(max_size=20).map(lambda text: text.replace(b"\0", b"."))


@given(st.binary(max_size=40) | st.builds(lambda all: envelope_of(b"a", *all), st.lists(addresses)), st.data())
def test_envelope_in_any_pieces(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    whole = envelope_result([data])
    assert whole == envelope_result(pieces) == envelope_result([data[i : i + 1] for i in range(len(data))])
    if isinstance(whole, tuple):
        assert data.startswith(envelope_of(whole[0], *whole[1]))
    else:
        assert whole in (54, 91)
