"""Examples of answers about the log: a valid proof, made with a throw-away key."""

from typing import Final

from web.openapi.examples.reference import Example

LEAF: Final = (
    "rendertrust-entry-v1\nentry 42\ntime 2026-03-13T12:00:00.000000Z\nkind USAGE\n"
    "amount -100000\nreceipt -\n"
    "private bf9f60a1995a94188e37d8a33634f7b7dfe828846837b78d8fde045b1606e74c\n"
)
ROOT: Final = "7040c5232a0417d6b38dd6c18fe56cf7cf5f1c0aeadb9cd440539f8d3e3e3086"
THIRD: Final = "a75fdb83af0ad333840227dcd5fc8f5beeaa1970b0843cd77e9116b13cb49c43"
NOTE: Final = (
    "farm.example/log\n3\ncEDFIyoEF9azjdbBj+Vs989fHArq25zUQFOfjT4+MIY=\n"
    "time 2026-03-13T12:00:01Z\n\n"
    "— farm.example/log UaUSZSn7o4mwJpwtN8xnALxdeXkAGFpMRpGfKRpjU83NMPuUlSLgMlGc4BAsHY0OhqUQ2Z1b"
    "4xB2M6Yir8Juuw28ng0=\n"
)
VERIFIER: Final = "farm.example/log+51a51265+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
CONTRACT: Final = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
TRANSACTION: Final = "0x" + "9fc76417374aa880d4449a1f7f31ec597f00b1f6f3dd2d66f4c9c6c445836d8b"
ANCHOR: Final = (
    "rendertrust-anchor-v1\norigin farm.example/log\nchain 11155111\n"
    f"contract {CONTRACT}\nsize 3\nroot {ROOT}\ntransaction {TRANSACTION}\nblock 12345\n\n"
    "— farm.example/log UaUSZcNtzVcNkt4PT4EaCX165By2m3sYoXONzOeWX+X9yVRrTCwGUnlgbp9Ze+9pURCzGehr"
    "repwieHv4yWdUkqcWgs=\n"
)

LEDGER_PROOF: Final[Example] = {
    "entry_id": 42,
    "merkle_root": ROOT,
    "proof_hashes": ["1e46971d4a76a89c14afb610751acaf8686dceb2c84183ae4228b6eea1c47f9e", THIRD],
    "directions": ["left", "right"],
    "anchor_tx_hash": TRANSACTION,
    "block_number": 12345,
    "chain_id": 11155111,
    "contract": CONTRACT,
    "anchor": ANCHOR,
    "leaf": LEAF,
    "leaf_hash": "412223787fd08247dbd7dfc338f83d4afc41509b8ad30f7c31567294391179cc",
    "leaf_index": 1,
    "tree_size": 3,
    "checkpoint": NOTE,
    "verifier": VERIFIER,
    "opening": None,
}
CHECKPOINT: Final[Example] = {
    "origin": "farm.example/log",
    "size": 3,
    "root": ROOT,
    "time": "2026-03-13T12:00:01Z",
    "checkpoint": NOTE,
    "verifier": VERIFIER,
    "verifiers": [VERIFIER],
    "anchor": ANCHOR,
}
CONSISTENCY: Final[Example] = {
    "from_size": 2,
    "from_root": "4b6d7d3c88ef27d518aa9cd923e8d75b3e801d3546f904556d5de80ebcf4d5d6",
    "to_size": 3,
    "to_root": ROOT,
    "proof_hashes": [THIRD],
}
EPOCH: Final = (
    "rendertrust-epoch-v1\nepoch 2\ntime 2026-03-13T11:59:00Z\norigin farm.example/log\n"
    "chain 11155111\ncontract 0x5FbDB2315678afecb367f032d93F642f64180aa3\nsize 120\n"
    f"root {'ab' * 32}\n"
)
EPOCHS: Final[Example] = {
    "epochs": [
        {
            "number": 2,
            "origin": "farm.example/log/epoch/2-e1fcdf50",
            "leaf": EPOCH,
            "leaf_hash": "e1fcdf508587869061a4a1a00a66fd0493dc83ebc945c041e4ad54b1ce9b31de",
            "leaf_index": 2,
            "proof_hashes": ["b137985ff484fb600db93107c77b0365c80d78f5b429ded0fd97361d077999eb"],
            "directions": ["left"],
        }
    ],
    "tree_size": 3,
    "merkle_root": "e02f9bed6bac16d1bce1ca15353180d002c5c5b73311d16bbdaf4e91b16e3685",
}
ANCHORS: Final[Example] = {
    "anchors": [
        {
            "size": 3,
            "merkle_root": ROOT,
            "tx_hash": TRANSACTION,
            "block_number": 12345,
            "contract": CONTRACT,
            "chain_id": 11155111,
            "state": "confirmed",
            "error": None,
            "created_at": "2026-03-13T12:05:00Z",
            "confirmed_at": "2026-03-13T12:07:24Z",
        }
    ],
    "count": 5,
    "page": 1,
    "per_page": 20,
}
VERIFICATION: Final[Example] = {
    "verified": True,
    "entry_id": 42,
    "merkle_root": ROOT,
    "on_chain_root": ROOT,
    "block_number": 12345,
    "tx_hash": TRANSACTION,
    "reason": None,
    "state": "confirmed",
    "chain_id": 11155111,
    "contract": CONTRACT,
    "private": False,
}
