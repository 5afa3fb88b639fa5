"""What stops a command: one sentence for the person at the terminal, no traceback."""


class MarinaError(Exception):
    """Something that the user can put right; the message says what and how."""


class UnsafeArchive(MarinaError):
    """An archive that is damaged, changed or able to do harm."""
