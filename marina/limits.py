"""How many files this process and what it starts may have open (sockets are files too)."""

import resource

from marina.errors import MarinaError

LEAST_CLIENTS = 256  # at once; each is a connection of nginx, and one more to the model server or to a replica
OTHER_FILES = 300  # of Java: its archives of classes, its own sockets
FILES_PER_WORKER = 8  # of Java: its connection to it, and what it reads of its output


def files_needed(workers: int) -> int:
    """How many files a server with so many workers must be allowed to have open."""
    return 2 * LEAST_CLIENTS + OTHER_FILES + FILES_PER_WORKER * workers


def allow_open_files(workers: int) -> None:
    """Raises this process's limit if that is too low for a server with so many workers. Raises MarinaError."""
    needed = files_needed(workers)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise MarinaError(
            f"only {hard} files may be open here, and a server with {workers} workers needs {needed}: raise the limit, "
            f"as with `ulimit -n {needed}` or a service's LimitNOFILE="
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
