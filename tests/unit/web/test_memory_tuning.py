"""The heap of a gateway: large buffers stay out of it, and sockets read small buffers."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from web.process.memory_tuning import MAPPED_BYTES, READ_BYTES

ROOT = Path(__file__).resolve().parents[3]
# Freeing a block of 8 MiB teaches glibc to cut 1 MiB blocks from its heap. Then eight such blocks
# are allocated; the size of separately mapped memory tells where the blocks are.
PROGRAM = """
import ctypes
from web.process.memory_tuning import keep_heap_small

class Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost").split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Heap
CALL
del (block := [bytes(8 << 20)])[:]
before = libc.mallinfo2().hblkhd
kept = [bytes(1 << 20) for _ in range(8)]
print(libc.mallinfo2().hblkhd - before)
"""


def mapped(call: str) -> int:
    """Return the bytes of eight 1 MiB blocks outside the heap, in a process of its own."""
    words = [sys.executable, "-c", PROGRAM.replace("CALL", call)]
    return int(subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is set")
def test_large_buffers_stay_out_of_the_heap_after_one_was_freed() -> None:
    assert mapped("") == 0  # without the tuning
    assert mapped("keep_heap_small()") >= 8 << 20


SOCKET = """
import asyncio, socket
from web.process.memory_tuning import keep_heap_small

keep_heap_small()

async def main():
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    print(writer.transport.max_size)
    writer.close()

asyncio.run(main())
"""


def test_what_a_socket_reads_at_once_is_cut_from_the_heap() -> None:
    """A buffer outside the heap would cost two more system calls per packet."""
    words = [sys.executable, "-c", SOCKET]
    told = int(subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout)
    assert told == READ_BYTES < MAPPED_BYTES


# Blocks of 64 KiB are freed, each behind a small block that stays, so no freed block is at the
# heap's end.
GAPS = """
from pathlib import Path
from web.process.memory_tuning import keep_heap_small, tidy

def mapped():
    return int(Path("/proc/self/statm").read_text().split()[1])

keep_heap_small()
large, small = [], []
for number in range(1000):
    large.append(bytearray(b"x" * (64 << 10)))
    small.append(bytearray(b"x" * 1024))
del large
before = mapped()
CALL
print((before - mapped()) * 4096)
"""


def given_back(call: str) -> int:
    words = [sys.executable, "-c", GAPS.replace("CALL", call)]
    return int(subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is given back")
def test_what_is_free_between_blocks_that_stay_is_given_back() -> None:
    assert given_back("") < 1 << 20  # without the tuning
    assert given_back("tidy()") > 50 << 20
