"""Filters, external programs that decide about messages: milters and policy servers (SPEC sections 15 and 16)."""
