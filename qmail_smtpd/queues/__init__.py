"""Our own queue programs. They share queueprogram.py and import nothing else of the package."""
