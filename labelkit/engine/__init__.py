"""Where work runs: in this process, in several, or on a cluster. Nothing else knows which.

Results come in the order of the work, so that they are the same with any number of processes.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from threading import Thread
from time import monotonic
from typing import Any, Protocol, TypeVar

from labelkit.errors import LabelkitError, UsageError

T = TypeVar("T")
Done = Callable[[T], None]
PATIENCE = 1.0  # seconds of work that are done here before others are started, which takes about as long
ENGINES = ("processes", "ray")
_AHEAD = 4  # pieces of work a process, so that none waits, and results do not pile up
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Place(Protocol):
    """Where pieces of work run that are not done here."""

    jobs: int

    def begin(self, function: Callable[..., Any], shared: object, arguments: tuple[Any, ...]) -> Any:
        """Begin function(shared, *arguments); gives what ``result`` waits for."""
        ...

    def result(self, piece: Any) -> Any:
        """Wait for a piece. Raises what it raised, LabelkitError where nobody could end it."""
        ...

    def abandon(self) -> None:
        """End the work in the middle of what is done."""
        ...

    def stop(self) -> None:
        """End where work runs; what has not begun is not done."""
        ...


class Engine:
    """Runs pieces of work: a function that pickles, its arguments, and what is done here with the result.

    Short work is done here, for it is done before others have started. elsewhere: None, if all work is.
    """

    def __init__(self, elsewhere: Place | None) -> None:
        self._elsewhere = elsewhere
        self._waiting: deque[tuple[Any, Done[Any]]] = deque()
        self._spent = 0.0

    @property
    def is_remote(self) -> bool:
        """Whether the next piece goes to another process, so that what it needs must be packed."""
        return self._elsewhere is not None and self._spent > PATIENCE

    def run(self, done: Done[T], function: Callable[..., T], shared: object, *arguments: Any) -> None:
        """Call function(shared, *arguments), now or soon, and then done with its result, in order.

        shared: what many pieces have in common; a process unpickles it once.
        """
        if self._elsewhere is None or not self.is_remote:
            start = monotonic()
            done(function(shared, *arguments))
            self._spent += monotonic() - start
            return
        self._waiting.append((self._elsewhere.begin(function, shared, arguments), done))
        while len(self._waiting) > self._elsewhere.jobs * _AHEAD:
            self._finish_one()

    def follow(self, done: Callable[[], None]) -> None:
        """Do something here, after all that was begun before it is done."""
        if self._waiting:
            self._waiting.append((None, lambda _: done()))
        else:
            done()

    def finish(self) -> None:
        """Wait for everything that was begun."""
        while self._waiting:
            self._finish_one()

    def _finish_one(self) -> None:
        piece, done = self._waiting.popleft()
        done(self._elsewhere.result(piece) if self._elsewhere and piece is not None else None)


class Processes:
    """Processes of this machine, started when the first piece is begun."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None
        self._shared: tuple[object, bytes] = (None, b"")

    def begin(self, function: Callable[..., T], shared: object, arguments: tuple[Any, ...]) -> Future[T]:
        if self._pool is None:
            self._pool = self._made_pool()
        if self._shared[0] is not shared:
            self._shared = (shared, pickle.dumps(shared))
        with _undisturbed():  # it may start a process
            return self._pool.submit(call, function, self._shared[1], arguments)

    def result(self, piece: Future[T]) -> T:
        try:
            return piece.result()
        except BrokenProcessPool:
            raise LabelkitError(
                "a process of --jobs", "ended by itself", "", "memory may be short: try fewer jobs"
            ) from None

    def abandon(self) -> None:
        if self._lifeline is not None:
            self._lifeline.close()
        queue = getattr(self._pool, "_result_queue", None)
        if queue is not None:  # a process may end in the middle of a result, whose rest is awaited while
            queue._writer.close()  # anyone holds the writing end: here too, where nobody writes

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self.abandon()

    def _made_pool(self) -> ProcessPoolExecutor:
        context = get_context("spawn")
        end, self._lifeline = context.Pipe(duplex=False)
        return ProcessPoolExecutor(self.jobs, context, initializer=_begin, initargs=(end,))


@contextmanager
def engine(jobs: int | None, where: str = "processes", address: str | None = None) -> Iterator[Engine]:
    """An engine with so many workers; None: all that there are.

    where: ``processes`` of this machine (with 1 job everything is done here), or ``ray``, a cluster at an
    address; without one the cluster that RAY_ADDRESS names, or one that is started on this machine.
    Raises UsageError for any other place, and where Ray is not installed or not reached.
    """
    elsewhere = _place(jobs, where, address)
    made = Engine(elsewhere)
    try:
        yield made
        made.finish()
    except BaseException:
        if elsewhere:
            elsewhere.abandon()  # a Ctrl-C does not wait for the piece of work that is under way
        raise
    finally:
        if elsewhere:
            elsewhere.stop()


def _place(jobs: int | None, where: str, address: str | None) -> Place | None:
    if where not in ENGINES:
        raise UsageError("--engine", repr(where), f"one of {', '.join(ENGINES)}")
    if where == "ray":
        from labelkit.engine.ray import Cluster

        return Cluster(jobs, address)
    if address is not None:
        raise UsageError("--ray-address", "does nothing for processes", "together with --engine ray")
    jobs = available() if jobs is None else jobs
    return Processes(jobs) if jobs > 1 else None


def available() -> int:
    """How many processes can run at the same time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def call(function: Callable[..., T], shared: bytes, arguments: tuple[Any, ...]) -> T:
    """In another process: one piece of work."""
    return function(_unpickled(shared), *arguments)


@lru_cache(maxsize=4)
def _unpickled(shared: bytes) -> Any:
    return pickle.loads(shared)  # noqa: S301  (our own bytes, from our own process)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait: here, for half a process is soon a traceback, and in a process that starts meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(lifeline: Connection) -> None:
    """In a new process: the one that began the work ends it, also by being killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel, lifeline])
    os._exit(1)
