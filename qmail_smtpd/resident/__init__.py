"""The resident mode (SPEC section 22): a process that loads everything once and then serves many sessions."""
