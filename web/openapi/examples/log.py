"""Examples of the log and of receipts. The signatures and proofs in these examples are valid, and
made with throw-away keys.
"""

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
RECEIPT_FILE: Final[Example] = {
    "format": "rendertrust-receipt-file-v1",
    "receipt": {
        "format": "rendertrust-receipt-v1",
        "gateway": "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
        "work": {
            "format": "rendertrust-work-v1",
            "job": "0b0e9a8e-8a55-4f8a-9a46-0e2a3b7c9d10",
            "unit": 0,
            "attempt": 1,
            "job_type": "render",
            "inputs": ["4f48f7207cebf92638debb5694e4a8677350cf88a9e98e73c6c466b6b1d43890"],
            "parameters": {"frame": 12, "samples": 16, "gain": "0.5"},
            "renderer": {"name": "bpy", "version": "5.2.0", "build": "e13b728c6880"},
            "node": {
                "id": "7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11",
                "key": "79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664",
            },
            "pixels": {
                "sha256": "18182eb5343aa5ded1611c8b09765769cdebc569b48e22cd1ea3e3f033fc841b",
                "width": 2,
                "height": 2,
                "channels": 3,
                "bits": 8,
            },
            "object": {
                "sha256": "c94abcf156cc26209b7da986573dbabcf10807dc87fe92d4ce71e2b7e77d7d98",
                "size": 79,
            },
            "begun": "2026-03-13T12:00:00.000000Z",
            "ended": "2026-03-13T12:00:03.500000Z",
            "measured": {"seconds": "3.25"},
        },
        "node_signature": (
            "5c0c7ac89f41849985940781e87622d61dd2425ec04b679ef79b77cb21ebeffc6f74c175b5e0b0b1"
            "dc982a12517f74251a8c8f9d75fb73c001417daebfd87b01"
        ),
        "verdict": "sampled-out",
        "price": 100000,
        "issued": "2026-03-13T12:00:05.000000Z",
    },
    "signature": (
        "919027e54ab2541e689793a1cf26c2ab05068e7fd551af883f758393cc9dd2c1b3f4f50ba28e6c88"
        "23bdd7a5632be82c6b4b5553a0b46574295a821f891dd006"
    ),
    "entry_id": 42,
    "proof": {
        "entry_id": 42,
        "merkle_root": "8cdff488f4e9de43b9d08fc99c6eda0b906d508105729e2730a025c5e49f3b56",
        "proof_hashes": [
            "a1af030231ca2fd20ecf30c5294baf8f69321d09bb16ac53885ccd17a385280d",
            "656d3e8f544238cdf6e32d640f51ba0914959b14edd7a52d0b8b99ab4c8ac6c6",
        ],
        "directions": ["left", "right"],
        "leaf": "rendertrust-entry-v1\n"
        "entry 42\n"
        "time 2026-03-13T12:00:00.000000Z\n"
        "kind USAGE\n"
        "amount -100000\n"
        "receipt 26110b2d91621105553ef3d83ac1f6c708218375ab58efdccbca0ef30d5ab6b7\n"
        "private 715dc8493c36579a5b116995100f635e3572fdf8703e708ef1a08d943b36774e\n",
        "leaf_hash": "caa9f11c88dbeea60ce62e63c15b01ef141245f99abebe46180a160d2746457f",
        "leaf_index": 1,
        "tree_size": 3,
        "checkpoint": "farm.example/log\n"
        "3\n"
        "jN/0iPTp3kO50I/JnG7aC5BtUIEFcp4nMKAlxeSfO1Y=\n"
        "time 2026-03-13T12:00:00Z\n"
        "\n"
        "— farm.example/log "
        "UaUSZdtIf5ot+ok8v6nP5i28mWIZdVAds8HEXZyUzLAn6jmqkmrnHEBl1C9Kgl8pNKRzcAnxepefdIBonjP8CyAxGQo=\n",
        "verifier": "farm.example/log+51a51265+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "anchor_tx_hash": None,
        "block_number": None,
        "chain_id": None,
        "contract": None,
        "anchor": None,
        "opening": None,
    },
}
