"""Named faults between the Anchor and its node, each applied to one call or kind of call."""

from collections.abc import Callable
from typing import TypeAlias

from tests.faults.chain import RECEIPT, SEND, FaultyNode, Snare

LATE_SECONDS = 3.0  # longer than the tests let a call take
NONSENSE = [
    b"",
    b"<html>",
    b"[]",
    b"{}",
    b"5",
    b"null",
    b'{"jsonrpc": "2.0", "id": 0}',
    b'{"jsonrpc": "2.0", "id": 0, "result": null}',
    b'{"jsonrpc": "2.0", "id": 0, "result": {}}',
    b'{"jsonrpc": "2.0", "id": 0, "result": []}',
    b'{"jsonrpc": "2.0", "id": 0, "result": "garbage"}',
    b'{"jsonrpc": "2.0", "id": 0, "result": "0x"}',
    b'{"jsonrpc": "2.0", "id": 0, "error": 5}',
    b'{"jsonrpc": "2.0", "id": 0, "error": {"code": -32603, "message": "internal error"}}',
    b"[" * 100_000,
    b"\xff\xfe\x00",
]
Trouble: TypeAlias = Callable[[FaultyNode], Snare]
AT_SENDING: dict[str, Trouble] = {
    "cut": lambda node: node.cut(SEND, times=3),
    "late": lambda node: node.late(SEND, seconds=LATE_SECONDS),
    "429": lambda node: node.fail(SEND, status=429, times=3),
    "503": lambda node: node.fail(SEND, status=503, times=3),
    "503, and done": lambda node: node.fail(SEND, status=503, done=True),
    "too low": lambda node: node.refuse(SEND, "nonce too low", times=3),
    "too low, and done": lambda node: node.refuse(SEND, "nonce too low", done=True),
    "known": lambda node: node.refuse(SEND, "already known", times=3),
    "known, and done": lambda node: node.refuse(SEND, "already known", done=True),
    "underpriced": lambda node: node.refuse(SEND, "replacement transaction underpriced", times=3),
    "no funds": lambda node: node.refuse(SEND, "insufficient funds for gas", times=3),
    "another hash": lambda node: node.say(SEND, "0x" + "ab" * 32, times=3),
    "flood": lambda node: node.flood(SEND),
}
AT_ANYTHING: dict[str, Trouble] = {
    "receipts vanish": lambda node: node.say(RECEIPT, None, times=10),
    "no contract": lambda node: node.say("eth_call", "0x", times=10),
    "numbers not used": lambda node: node.say("eth_getTransactionCount", "0x0", times=10),
    "no blocks": lambda node: node.say("eth_blockNumber", "0x0", times=10),
    "another chain": lambda node: node.say("eth_chainId", "0x1", times=10),
    "cut": lambda node: node.cut(times=20),
    "swallowed": lambda node: node.swallow(times=20),
    "429": lambda node: node.fail(status=429, times=20),
    "limited": lambda node: node.refuse("", "rate limit exceeded", code=-32005, times=20),
    "estimates reverted": lambda node: node.refuse(
        "eth_estimateGas", "execution reverted", code=3, times=5
    ),
}
# By day the tests use one fault of each kind: call lost, answer lost, call refused, call executed
# though refused, and answer wrong.
SENDING_BY_DAY = ["cut", "503, and done", "too low, and done", "underpriced", "another hash"]
ANYTHING_BY_DAY = ["receipts vanish", "numbers not used", "another chain", "swallowed"]
