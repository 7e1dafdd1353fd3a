"""What stands in contrib/: the installation."""
