"""The tests. What asserts in tests/support tells as much as what asserts in a test."""

import pytest

pytest.register_assert_rewrite("tests.support")
