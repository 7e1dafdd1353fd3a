"""What tests of TLS share."""

from __future__ import annotations

import pytest

from ..support.certificates import Pki, install
from ..support.home import Home


@pytest.fixture
def tls_home(home: Home, pki: Pki) -> Home:
    """A home that offers STARTTLS."""
    install(home, pki.server())
    return home
