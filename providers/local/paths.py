"""Opening folders of the directory store without ever following a link.

Every component is opened relative to the one before with ``O_NOFOLLOW``, so a link planted by a job inside its
folder leads nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def folder(root: int, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """Open the folder named by ``parts`` below the descriptor ``root``, made on the way if asked.

    Raises FileNotFoundError, or NotADirectoryError where a link or a file is in the way.
    """
    descriptor = os.dup(root)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=descriptor)
            below = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)
