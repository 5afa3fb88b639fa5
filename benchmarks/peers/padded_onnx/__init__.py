"""The old readability service."""
