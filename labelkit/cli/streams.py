"""The standard streams where they are closed, full, or read by someone who has gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from labelkit.errors import DestinationError


def replace_closed() -> None:
    """Put something in the place of streams that were closed at the start.

    Else the next file that is opened would have their number, and would be given what is meant for them.
    Writing to stdout then fails, as on a full disk; messages to stderr are lost, as they were meant to be.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "r")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


@contextmanager
def result() -> Iterator[TextIO]:
    """stdout, for a result that decides the exit code whether or not it is read to its end.

    Raises DestinationError where it cannot be written.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        mute()
    except OSError as error:
        raise DestinationError("stdout", f"cannot be written ({error.strerror or error})") from None


def mute() -> None:
    """Give up stdout when its reader has gone (`| head`): its business. The interpreter is quiet at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
