"""The sandbox's system call filter: refuses calls that reach beyond namespaces or are not needed.

Keyrings are in no namespace, and bubblewrap's children inherit the keyrings of its caller.
Hypervisor sockets are in no network namespace. A nested user namespace would restore capabilities.
The kernel's code for io_uring, bpf and similar calls has had many bugs. The filter is a BPF program
(``struct sock_filter``), which bubblewrap loads before bubblewrap starts the renderer.
"""

import platform
import struct
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

Line = tuple[int, int, int, int]  # code, jump if true, jump if false, operand

_LOAD: Final = 0x20  # load a word of struct seccomp_data
_EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_WORD = 0, 4, 16
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000  # _FAIL is combined with the errno
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_X32: Final = 0x40000000  # bit that marks calls of the x32 table
_NAMESPACES: Final = 0x7E020000  # clone() flags that create a namespace
_FAMILIES: Final = (1, 2, 10, 16)  # unix, IPv4, IPv6, netlink: isolated by network namespaces


@attrs.frozen(kw_only=True)
class SyscallNumbers:
    """System call numbers of one architecture: refused calls, and calls with checked arguments."""

    audit: int
    refused: Mapping[str, int]
    clone: int
    socket: int


CLONE3: Final = 435  # a filter cannot read its flags; after ENOSYS callers use clone()
_EVERYWHERE: Final = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
}
MACHINES: Final = {
    "x86_64": SyscallNumbers(
        audit=0xC000003E,
        clone=56,
        socket=41,
        refused={
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "unshare": 272,
            "setns": 308,
            "mount": 165,
            "umount2": 166,
            "pivot_root": 155,
            "chroot": 161,
            "bpf": 321,
            "perf_event_open": 298,
            "ptrace": 101,
            "userfaultfd": 323,
            "kexec_load": 246,
            "kexec_file_load": 320,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "fanotify_init": 300,
            "name_to_handle_at": 303,
            "open_by_handle_at": 304,
            "quotactl": 179,
            "acct": 163,
            **_EVERYWHERE,
        },
    ),
    "aarch64": SyscallNumbers(
        audit=0xC00000B7,
        clone=220,
        socket=198,
        refused={
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "unshare": 97,
            "setns": 268,
            "mount": 40,
            "umount2": 39,
            "pivot_root": 41,
            "chroot": 51,
            "bpf": 280,
            "perf_event_open": 241,
            "ptrace": 117,
            "userfaultfd": 282,
            "kexec_load": 104,
            "kexec_file_load": 294,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "fanotify_init": 262,
            "name_to_handle_at": 264,
            "open_by_handle_at": 265,
            "quotactl": 60,
            "acct": 89,
            **_EVERYWHERE,
        },
    ),
}


def filter_of(machine: str = platform.machine()) -> bytes | None:
    """Return the filter for an architecture; return None if the call numbers are unknown."""
    known = MACHINES.get(machine)
    return None if known is None else b"".join(struct.pack("<HBBI", *line) for line in _of(known))


def _of(machine: SyscallNumbers) -> Iterator[Line]:
    """Yield the filter's instructions.

    Calls of another table, such as 32-bit calls, fail with ENOSYS.
    """
    yield (_LOAD, 0, 0, _MACHINE)
    yield (_EQUAL, 1, 0, machine.audit)
    yield _fail(_ENOSYS)
    yield (_LOAD, 0, 0, _NUMBER)
    yield (_AT_LEAST, 0, 1, _X32)
    yield _fail(_ENOSYS)
    for number in sorted(machine.refused.values()):
        yield (_EQUAL, 0, 1, number)
        yield _fail(_EPERM)
    yield (_EQUAL, 0, 1, CLONE3)
    yield _fail(_ENOSYS)
    yield (_EQUAL, 0, 4, machine.clone)
    yield (_LOAD, 0, 0, _FIRST_WORD)
    yield (_ANY_BIT, 0, 1, _NAMESPACES)
    yield _fail(_EPERM)
    yield (_RETURN, 0, 0, _ALLOW)
    yield (_EQUAL, 1, 0, machine.socket)
    yield (_RETURN, 0, 0, _ALLOW)
    yield (_LOAD, 0, 0, _FIRST_WORD)
    for family in _FAMILIES:
        yield (_EQUAL, 0, 1, family)
        yield (_RETURN, 0, 0, _ALLOW)
    yield _fail(_EAFNOSUPPORT)


def _fail(error: int) -> Line:
    return (_RETURN, 0, 0, _FAIL | error)
