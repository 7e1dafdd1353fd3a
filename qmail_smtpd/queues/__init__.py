"""The queue programs of ours. Each stands alone and imports nothing else of the package."""
