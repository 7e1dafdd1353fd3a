"""Workers of the resident mode keep one helper of ours for their next session, with its LDAP connection.

    spare.allowed = True            set by a process that serves many sessions; otherwise no helper is kept
    spare.take(path, env, facts)    the helper that was kept, if a new one would be equal to it; else a new one
    spare.put_back(helper)          keep this helper, which has answered everything; False if it cannot be kept
    spare.descriptors()             the descriptors of the helper that is kept

A new helper would be equal if it is the same program of ours, forked from memory and unchanged on disk; if its
environment is the same, apart from the variables about a client, which our programs do not read; and if `facts` are,
that is, whatever else its answers depend on (None: do not keep it).
"""

from __future__ import annotations

from .helper import Helper, is_preloaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

OF_CLIENTS = (b"PROTO", b"RELAYCLIENT", b"SMTPAUTHUSER")  # and all names that begin with TCP

allowed = False
_kept: list[tuple[Helper, object]] = []  # at most one helper, with its key: path, environment and facts
_keys: dict[Helper, object] = {}  # helpers in use that may be put back, with their keys


def take(path: bytes, env: dict[bytes, bytes], facts: Hashable) -> Helper:
    if not allowed or facts is None or not is_preloaded(path):
        return Helper(path, env)
    own = {name: value for name, value in env.items() if name not in OF_CLIENTS and not name.startswith(b"TCP")}
    key = path, own, facts
    helper = _matching(key) or Helper(path, own)
    _keys.clear()
    _keys[helper] = key
    return helper


def _matching(key: object) -> Helper | None:
    """The helper that is kept, if it has this key and still runs; otherwise it is closed."""
    if not _kept:
        return None
    helper, known = _kept.pop()
    if known == key and helper.runs():
        return helper
    helper.close()
    return None


def put_back(helper: Helper) -> bool:
    key = _keys.pop(helper, None)
    if key is None:
        return False
    _kept.append((helper, key))
    return True


def descriptors() -> set[int]:
    return {fd for helper, _ in _kept for fd in helper.descriptors()}
