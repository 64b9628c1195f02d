"""A lock beside a folder of results, so that two runs never write one folder."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from recognition.errors import InputError
from recognition.files import MAX_NAME, printable, safe_name

#: Bytes of a lock file that are read: a number of a process.
_LONGEST = 32
#: What a system says of a file that another process has locked.
_TAKEN = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK, errno.EWOULDBLOCK})


def beside(out: Path, ending: str) -> Path:
    """Return a hidden path beside a folder of results, whatever the length of its name.

    Args:
        out: The folder.
        ending: Ends the name.

    Raises:
        InputError: If the folder has no name, as the root of a disk.
    """
    if not out.name:
        raise InputError(f"{out}: expected a folder with a name; choose another --out")
    return out.with_name("." + safe_name(out.name, ending, max_bytes=MAX_NAME - 1))


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the lock of a folder of results; the folder that it is in must exist.

    The system frees the lock of a process that is killed. The lock file names the process that holds it.

    Args:
        out: The folder, which need not exist.

    Raises:
        InputError: If another run holds it, in this process or in another.
        OSError: If the lock file cannot be written.
    """
    path = beside(out, ".arcinvert.lock")
    descriptor = _acquire(path, out)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        if sys.platform == "win32":
            # There an open file cannot be removed.
            os.close(descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
        else:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _acquire(path: Path, out: Path) -> int:
    """Return the descriptor of a lock file that is locked, and that `path` still names.

    Raises:
        InputError: If another run holds it.
    """
    while True:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o644)
        try:
            if not _try_lock(descriptor):
                holder = os.pread(descriptor, _LONGEST, 0) if hasattr(os, "pread") else b""
                number = holder.decode("ascii", "replace").strip() or "another one"
                raise InputError(
                    f"{printable(out)}: expected a folder that no other run writes, got one that process "
                    f"{number} writes; wait for it, or choose another --out"
                )
            # The last holder may have removed the file between the opening and the lock.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        """Lock one byte, far behind those that others read."""
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        """Lock the whole file; on a file system without locks, every run gets it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS):
                raise
        return True
