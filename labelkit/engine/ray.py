"""Work on a Ray cluster: a part is a task, which runs again where its worker or its node is lost.

All nodes see the source and the destination at the same paths.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelkit.engine import call
from labelkit.errors import LabelkitError, UsageError

_TRIES = 5  # beyond the first: a part that ends its worker so often does so by itself
_GRACE = 30.0  # seconds in which cancelled tasks end


@dataclass(frozen=True)
class _Raised:
    """What a piece of work raised; as a result it is the same exception here, and no reason to try again."""

    error: Exception


class Cluster:
    """The workers of a Ray cluster.

    jobs: of how many CPUs tasks are begun ahead, all of the cluster if not said; Ray gives each task one.
    """

    def __init__(self, jobs: int | None, address: str | None) -> None:
        self._ray = _imported()
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            try:
                self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError) as error:
                found = str(error).split("\n")[0]
                raise UsageError("--ray-address", f"no cluster is reached ({found})") from None
        self.jobs = jobs or max(int(self._ray.cluster_resources().get("CPU", 1)), 1)
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)  # the same labelkit as here
        self._task = self._ray.remote(_call).options(
            max_retries=_TRIES, retry_exceptions=False, runtime_env={"env_vars": {"PYTHONPATH": path}}
        )
        self._shared: tuple[object, Any] = (None, None)
        self._begun: dict[Any, None] = {}

    def begin(self, function: Callable[..., Any], shared: object, arguments: tuple[Any, ...]) -> Any:
        if self._shared[0] is not shared:
            self._shared = (shared, self._ray.put(pickle.dumps(shared)))
        piece = self._task.remote(function, self._shared[1], arguments)
        self._begun[piece] = None
        return piece

    def result(self, piece: Any) -> Any:
        errors = self._ray.exceptions
        try:
            said = self._ray.get(piece)
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.RayError as error:
            found = f"lost {_TRIES + 1} times ({type(error).__name__})"
            advice = "memory may be short: give Ray fewer CPUs a node"
            raise LabelkitError("a part of the work", found, "", advice) from None
        del self._begun[piece]
        if isinstance(said, _Raised):
            raise said.error
        return said

    def abandon(self) -> None:
        pieces = list(self._begun)
        for piece in pieces:
            self._ray.cancel(piece, force=True)
        if pieces:  # whoever still writes would make the folder anew that is deleted next
            self._ray.wait(pieces, num_returns=len(pieces), timeout=_GRACE)

    def stop(self) -> None:
        if self._is_ours:
            self._ray.shutdown()


def _imported() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError(
            "--engine ray", "Ray is not installed", "", 'pip install "labelkit-vision[ray]"'
        ) from None
    return ray


def _call(function: Callable[..., Any], shared: bytes, arguments: tuple[Any, ...]) -> Any:
    try:
        return call(function, shared, arguments)
    except Exception as error:  # whatever the work raises is told where it was begun
        return _Raised(error)
