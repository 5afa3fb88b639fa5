"""The old entity service."""
