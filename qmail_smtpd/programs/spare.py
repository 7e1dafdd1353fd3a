"""A helper of ours that waits for the next session of this process, with the connection it has: for workers.

    spare.allowed = True            in a process that serves many sessions; else nothing is ever kept
    spare.take(path, env, facts)    the one that was put back, if a new one would be its equal; else a new one
    spare.put_back(helper)          it has answered all it was asked; whether it is kept
    spare.descriptors()             those that it holds open

Equal is what has the same program of ours, forked from what is in memory; the same environment but for the names that
tell of a client, which our programs do not read; and the same `facts`, whatever else it goes by (None: is not kept).
"""

from __future__ import annotations

from .helper import Helper, is_preloaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

OF_CLIENTS = (b"PROTO", b"RELAYCLIENT", b"SMTPAUTHUSER")  # and all that begin with TCP

allowed = False
_waiting: list[tuple[Helper, object]] = []  # none or one, and what it goes by
_goes_by: dict[Helper, object] = {}  # those in use that may be put back


def take(path: bytes, env: dict[bytes, bytes], facts: Hashable) -> Helper:
    if not allowed or facts is None or not is_preloaded(path):
        return Helper(path, env)
    own = {name: value for name, value in env.items() if name not in OF_CLIENTS and not name.startswith(b"TCP")}
    wanted = path, own, facts
    helper = _matching(wanted) or Helper(path, own)
    _goes_by.clear()
    _goes_by[helper] = wanted
    return helper


def _matching(wanted: object) -> Helper | None:
    """The one that waits, if it is what is wanted and alive; otherwise it is let go."""
    if not _waiting:
        return None
    helper, known = _waiting.pop()
    if known == wanted and helper.runs():
        return helper
    helper.close()
    return None


def put_back(helper: Helper) -> bool:
    known = _goes_by.pop(helper, None)
    if known is None:
        return False
    _waiting.append((helper, known))
    return True


def descriptors() -> set[int]:
    return {fd for helper, _ in _waiting for fd in helper.descriptors()}
