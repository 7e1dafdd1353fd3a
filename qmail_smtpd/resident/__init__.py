"""The resident mode: one process that loads once and serves many sessions."""
