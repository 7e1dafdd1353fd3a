"""Tests of the LDAP programs, run as programs against a real slapd."""
