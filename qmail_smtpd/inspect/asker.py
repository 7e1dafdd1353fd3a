"""--user: examine the files as the user that runs the receiver, since root can read everything."""

from __future__ import annotations

import os
import pwd


def become(name: str) -> str:
    """Change to the user of this name or number. "" if that worked, else what is wrong, as text."""
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
