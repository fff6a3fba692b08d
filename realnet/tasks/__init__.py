"""The tasks: what is to be learned, of which examples (one file a family)."""
