"""--user: what is looked at, is looked at as the user that runs the receiver. Root can read everything."""

from __future__ import annotations

import os
import pwd


def become(name: str) -> str:
    """Why we cannot be this user, "" once we are."""
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return f"there is no user {name}"
    if os.geteuid() == entry.pw_uid:
        return ""
    try:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except OSError as error:
        return f"only root can become {name}: {error.strerror}"
    return ""
