"""What failed in this command without making it fail, as all of its processes know."""

import mmap

_WIDTH = 16
_shared = mmap.mmap(-1, 4096 * _WIDTH)
"""Memory that workers share with the process that forked them; it ends with the command, unlike a file."""


def note(identity: str) -> None:
    """Remember that the task of an identity failed."""
    if has_failed(identity):
        return
    for at in range(0, len(_shared), _WIDTH):
        if not any(_shared[at : at + _WIDTH]):
            # of two processes that write at once one is lost, and its task tried again
            _shared[at : at + _WIDTH] = _entry(identity)
            return


def has_failed(identity: str) -> bool:
    """Whether the task of an identity failed in this command."""
    wanted = _entry(identity)
    for at in range(0, len(_shared), _WIDTH):
        entry = _shared[at : at + _WIDTH]
        if not any(entry):
            return False
        if entry == wanted:
            return True
    return False


def _entry(identity: str) -> bytes:
    return identity.encode()[:_WIDTH].ljust(_WIDTH, b"\0")
