"""SIGINT (Ctrl-C) and SIGTERM: how they stop any command.

A command that they stop exits with 130 or 143 (128 + the signal's number), after it has undone the
work under way and closed its log steps. The first signal asks the command to stop:

raising()  raises `Stopped` at once, for code that cannot check by itself: dbt, numeric kernels
held()     raises it at the next `check()` or `sleep()`, so that no statement is cut in two

The second signal changes nothing, since cleaning up must not be cut in two either. The third ends
the process at once; the warehouse withstands that as it withstands `kill -9`.

Too little memory ends a command with 4015, before it imports a library or afterwards.

Imports the standard library alone, because an interrupt before `run_command_line` is a traceback.
"""

import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

try:
    import resource
except ImportError:
    # Windows limits no address space.
    resource = None  # type: ignore[assignment]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_END_AT_ONCE = 3
_POLL_S = 0.05

# Messages of libraries, threads and reads that get too little memory.
_NO_MEMORY = re.compile(
    "failed to map segment|Could not find/load shared object|can't start new thread"
    "|Cannot allocate memory|Out of Memory Error"
)
_OUT_OF_MEMORY = """4015 MEMORY_EXHAUSTED
  {}
  to do: Give it more memory (ulimit -v; the limit of the container), or end other programs"""

# Address space that the numeric libraries and DuckDB take before any row is read. With less, they
# abort the process or never return, each in a way of its own. A screen needs more than 1.6 GB and
# less than 2 GB on two cores; each core has its threads, with their stacks and buffers.
_ADDRESS_SPACE_MB = 1500
_ADDRESS_SPACE_PER_CORE_MB = 250


class Stopped(KeyboardInterrupt):
    """A signal asked the command to stop."""


class _State:
    """State of the process. Only the main thread changes it: Python runs signal handlers there."""

    number: int | None = None
    count = 0
    raises_at_once = False
    is_raised = False


_state = _State()


def is_asked_to_stop() -> bool:
    """Whether a signal has come; for any thread."""
    return _state.number is not None


def exit_code() -> int:
    """The exit code of a command that was stopped."""
    return 128 + (_state.number or signal.SIGINT)


def reason() -> str:
    """What stopped the command, in words."""
    return f"stopped by {signal.Signals(_state.number or signal.SIGINT).name}"


def check() -> None:
    """Raise Stopped if a signal has come; for any thread."""
    if is_asked_to_stop():
        _state.is_raised = True
        raise Stopped(reason())


def sleep(seconds: float) -> None:
    """Sleep, unless a signal comes, which raises Stopped."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, _POLL_S))
    check()


class _Mode(contextlib.ContextDecorator):
    """Whether a signal raises Stopped at once in the main thread, for the length of a block."""

    def __init__(self, raises_at_once: bool) -> None:
        self._raises_at_once = raises_at_once
        self._before: list[bool] = []

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before.append(_state.raises_at_once)
            _state.raises_at_once = self._raises_at_once
            if self._raises_at_once and is_asked_to_stop():
                _state.raises_at_once = self._before.pop()
                check()

    def __exit__(
        self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            _state.raises_at_once = self._before.pop()
            # A signal that came in a held block.
            if kind is None and _state.raises_at_once and not _state.is_raised:
                check()


def held() -> _Mode:
    """A block, or a decorated function, in which a signal waits for the next check()."""
    return _Mode(raises_at_once=False)


def raising() -> _Mode:
    """A block in which a signal raises Stopped at once, whatever is being executed."""
    return _Mode(raises_at_once=True)


def run_command_line(load: Callable[[], Callable[..., Any]], prog_name: str) -> NoReturn:
    """Run a command line, and exit with its code, or with 130 or 143 if a signal stopped it.

    load       imports the click command and returns it
    prog_name  how the user calls it
    """
    for number in _SIGNALS:
        # A shell starts background jobs with SIGINT ignored: the terminal's Ctrl-C is not for them.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _receive)
    sys.unraisablehook = _raise_again
    for stream in (sys.stdout, sys.stderr):
        # A locale may lack the signs of a message, as ≤.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not {"-h", "--help", "--version"}.intersection(sys.argv) and (shortage := _shortage()):
        print(_OUT_OF_MEMORY.format(shortage), file=sys.stderr)
        sys.exit(1)
    code: Any = 0
    try:
        from expression_warehouse.core.secret_files import read_secret_files

        read_secret_files()
        load()(prog_name=prog_name)
    except SystemExit as error:
        code = error.code
    except BaseException as error:
        # Work that a signal interrupts can raise other errors too.
        if not is_asked_to_stop():
            if not _is_out_of_memory(error):
                raise
            undone = "the command got less memory than it needs; what was under way is undone"
            print(_OUT_OF_MEMORY.format(undone), file=sys.stderr)
            code = 1
    if is_asked_to_stop() and code != exit_code():
        print(f"{reason()}; what had ended by then is kept", file=sys.stderr)
        code = exit_code()
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _shortage() -> str | None:
    """What a limit of the address space leaves, in words, if no command can work with it."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    cores = os.cpu_count() or 1
    needed = _ADDRESS_SPACE_MB + _ADDRESS_SPACE_PER_CORE_MB * cores
    if limit == resource.RLIM_INFINITY or limit >= needed * 1_000_000:
        return None
    return (
        f"the address space is limited to {limit // 1_000_000:,} MB; on {cores} cores, commands"
        f" need {needed:,} MB"
    )


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, is for want of memory."""
    while error is not None:
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _receive(number: int, _frame: FrameType | None) -> None:
    _state.count += 1
    if _state.number is None:
        _state.number = number
    if _state.count >= _END_AT_ONCE:
        os._exit(exit_code())
    if _state.raises_at_once and not _state.is_raised:
        check()


def _raise_again(unraisable: Any) -> None:
    """Python drops what is raised in a destructor or a callback of the garbage collector, which a
    signal can hit: send the signal once more."""
    if not isinstance(unraisable.exc_value, Stopped):
        sys.__unraisablehook__(unraisable)
        return
    _state.is_raised = False
    _state.count -= 1
    threading.Timer(_POLL_S, os.kill, (os.getpid(), _state.number)).start()
