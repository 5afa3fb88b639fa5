"""Measurements over HTTP: each row stands beside its peer's, made in the same run."""
