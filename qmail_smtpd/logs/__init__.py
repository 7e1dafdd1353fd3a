"""What the program says of itself: log lines and JSON."""
