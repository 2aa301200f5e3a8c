"""Programs that do what a hostile scene's scripts could do, and the sandbox in which tests run
them.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from rendertrust.node import blender
from rendertrust.node.blender import Blender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.resource_monitor import MIB, ResourceLimits
from rendertrust.node.sandbox import NOBODY, Sandbox

# Everything of the node's worker except Blender: its resource limits, then the program.
WORKER = """
import json, mmap, os, resource, signal, socket, subprocess, sys, time
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from worker.resource_limits import come_last, limit
order = json.loads(sys.argv[-1])
os.nice(order["nice"])
come_last()
limit(order["limits"])
def say(**members):
    os.write(1, json.dumps(members).encode() + b"\\n")
def tries(action):
    try:
        action()
    except OSError as fault:
        return type(fault).__name__
    return "worked"
def forever():
    while True:
        signal.pause()
say(begun=True)
"""
READS = """
say(read=[tries(lambda: open(path).read()) for path in (CANARY, "/etc/shadow", "/etc/passwd")])
say(listed=[tries(lambda: os.listdir(path)) for path in (os.path.dirname(CANARY), "/sys")])
say(killed=tries(lambda: os.kill(AGENT, 9)))
say(environment=sorted(os.environ), uid=os.getuid())
"""
WRITES = """
places = ["/usr/x", "/x", "/etc/x", "/job/in/x", "/worker/x", "/dev/x", "/dev/shm/x", CANARY]
say(wrote=[tries(lambda: open(path, "w")) for path in places])
say(removed=tries(lambda: os.unlink("/job/in/scene.blend")))
say(out=tries(lambda: open("/job/out/x", "w")))
"""
SPARES = """
scores = ("/proc/self/oom_score_adj", "/proc/1/oom_score_adj")
def write(path, score):
    with open(path, "w") as file:
        file.write(score)
lower = [(path, score) for path in scores for score in ("0", "999", "-1000")]
say(spared=[tries(lambda: write(*one)) for one in lower])
say(scores=[open(path).read().strip() for path in scores])
if os.fork() == 0:
    say(child=[tries(lambda: write(scores[0], "0")), open(scores[0]).read().strip()])
    os._exit(0)
os.wait()
"""
CALLS = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
is_x86 = platform.machine() == "x86_64"
def call(number, *more):
    if libc.syscall(number, *more) < 0:
        raise OSError(ctypes.get_errno(), "refused")
keyctl, add_key, unshare, mount = (250, 248, 272, 165) if is_x86 else (219, 217, 97, 40)
SEARCH, CLEAR, SESSION, USERS = 10, 7, -3, -4
def search(ring):
    call(keyctl, SEARCH, ring, b"user", NAME.encode(), 0)
say(key=[tries(lambda: search(ring)) for ring in (SESSION, USERS)])
say(cleared=tries(lambda: call(keyctl, CLEAR, SESSION)))
say(added=tries(lambda: call(add_key, b"user", b"left", b"x", 1, USERS)))
say(namespaces=[tries(lambda: call(unshare, flag)) for flag in (0x10000000, 0x20000)])
say(mounted=tries(lambda: call(mount, b"none", b"/tmp", b"tmpfs", 0, 0)))
say(io_uring=tries(lambda: call(425, 8, ctypes.create_string_buffer(256))))
say(sockets=[tries(lambda: socket.socket(family)) for family in (socket.AF_VSOCK, 38, 17)])
say(usual=[tries(lambda: socket.socket(family)) for family in (socket.AF_UNIX, socket.AF_INET)])
say(started=tries(lambda: subprocess.run(["/bin/true"], check=True)))
say(filtered="Seccomp:\\t2" in open("/proc/self/status").read())
"""
CONNECTS = """
def connect(family, address):
    with socket.socket(family) as one:
        one.settimeout(2)
        one.connect(address)
addresses = [("127.0.0.1", PORT), ("1.1.1.1", 53)]
say(connected=[tries(lambda: connect(socket.AF_INET, address)) for address in addresses])
say(ipv6=tries(lambda: connect(socket.AF_INET6, ("::1", PORT))))
"""
FORKS = """
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        break
forever()
"""
COUNTS = """
born = 0
try:
    for _ in range(200):
        if os.fork() == 0:
            forever()
        born += 1
except OSError:
    pass
say(born=born)
"""
# The program never stops starting processes; the sleep leaves the machine some processor time.
BOMBS = """
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.5)
"""
LEAVES = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        forever()
    os._exit(0)
"""
FILLS_DISK = """
for number in range(10**6):
    with open(f"/job/out/{number}", "wb") as file:
        file.write(bytes(2**20))
"""
MANY_FILES = """
for number in range(10**7):
    open(f"/tmp/{number}", "wb").close()
"""
FILLS_MEMORY = """
held = []
for _ in range(4):
    if os.fork() == 0:
        while True:
            held.append(bytearray(os.urandom(1)) * 2**22)
forever()
"""
FILLS_SHARED = """
held = []
for _ in range(16):
    shared = mmap.mmap(-1, 2**25)
    shared.write(bytes(2**25))
    held.append(shared)
forever()
"""
FILLS_MEMFDS = """
for number in range(16):
    os.write(os.memfd_create(str(number)), bytes(2**25))
forever()
"""
FOR_EVER = "forever()"
SPINS = "while True: pass"
CRASHES = "import ctypes; ctypes.string_at(0)"
KILLS = "os.kill(0, 9)"
FLOODS = """
while True:
    os.write(1, b'{"event": "progress", "progress": 0.5}' + b"x" * 10**6)
    os.write(2, b"y" * 10**6)
"""
CLOSES = """
os.makedirs("/job/out/closed/inner")
open("/job/out/closed/inner/x", "w").close()
os.chmod("/job/out/closed/inner", 0)
os.chmod("/job/out/closed", 0)
forever()
"""
DIGS = """
os.chdir("/job/out")
for _ in range(3000):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
"""
LINKS = """
os.symlink(CANARY, "/job/out/frame.png")
os.link("/job/out/frame.png", "/job/out/other.png")
os.mkfifo("/job/out/pipe.png")
say(event="done", file="frame.png")
"""
SMALL = ResourceLimits(
    memory_bytes=256 * MIB,
    processes=32,
    disk_bytes=64 * MIB,
    entries=5000,
    memory_left=0,
    disk_left=0,
)


@attrs.frozen(kw_only=True)
class UsersSandbox(Sandbox):
    """Sandbox of an ordinary user, even if the tests run as root."""

    def command(self, program: Sequence[str], folder: Path, worker: Path) -> list[str]:
        inner = Sandbox.command(self, program, folder, worker)
        if os.getuid() != 0:
            return inner
        ids = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
        return ["setpriv", *ids, "--inh-caps=-all", *inner]

    def prepare(self, folder: Path) -> None:
        Sandbox.prepare(self, folder)
        if os.getuid() == 0:
            for part in ("out", "home", "tmp"):
                os.chown(folder / part, NOBODY, NOBODY)


@attrs.frozen(kw_only=True)
class SmallBlender(Blender):
    """Blender with small resource limits, so that a test fills neither disk nor memory."""

    @property
    def bounds(self) -> ResourceLimits:
        return SMALL


def sandboxed(*, as_root: bool) -> Blender:
    """Return a sandbox that runs Python in place of Blender."""
    kind = Sandbox if as_root else UsersSandbox
    # Prefer the system's Python, which every user may run.
    system = Path("/usr/bin/python3")
    python = os.path.realpath(system if system.exists() else sys.executable)
    readable = () if python.startswith("/usr/") else (Path(sys.base_prefix),)
    box = kind(bwrap=shutil.which("bwrap") or "", readable=readable, as_root=as_root)
    before = (python, "-I", "-B")
    program = Renderer(kind="bpy", before=before, after=(), readable=readable)
    return SmallBlender(renderer=program, box=box)


def worker_of(place: Path, program: str, **names: object) -> Path:
    """Copy the worker's folder and put ``program`` in place of Blender; ``names`` become its
    globals.
    """
    folder = place / "worker"
    shutil.copytree(blender.WORKER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    (folder / "entry_point.py").write_text(WORKER + given + program)
    return folder


def hash_of(tree: Path) -> str:
    """Return a hash of a folder's names, file types, modes, owners and contents."""
    sum_ = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        facts = path.lstat()
        sum_.update(f"{path.relative_to(tree)} {facts.st_mode} {facts.st_uid}\n".encode())
        if path.is_file() and not path.is_symlink():
            sum_.update(path.read_bytes())
    return sum_.hexdigest()
