"""Programs that judge a message for us: milters and policy servers (SPEC sections 15 and 16)."""
