"""The tool: builds, checks and serves model archives."""

__version__ = "0.1.0"
