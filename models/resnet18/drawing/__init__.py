"""Drawn ants and bees: more to learn from than a few hundred photos, and pictures free to be shown."""
