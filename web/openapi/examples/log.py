"""Examples of the log and of receipts. The signatures and proofs in these examples are valid, and
made with throw-away keys.
"""

from typing import Final

from web.openapi.examples.reference import Example

LEAF: Final = (
    "rendertrust-transfer-v1\ntransfer 21\ntime 2026-03-13T12:00:00.000000Z\nkind STRIPE\n"
    "amount 1000000\nreceipt -\n"
    "debit e91579fbc4ac298d71cb4a31c93aeca139ed985901e07f88c6bde29c277d9d51\n"
    "credit 1b87905c29158548060b5ea5389fabf16be4e039d92d8449a03824ff91140ee9\n"
)
ROOT: Final = "005b9729017c2cf1cf4c5b099e9011425196f4c0a493928eea546a06c16fb299"
THIRD: Final = "a75fdb83af0ad333840227dcd5fc8f5beeaa1970b0843cd77e9116b13cb49c43"
NOTE: Final = (
    "farm.example/log\n3\nAFuXKQF8LPHPTFsJnpARQlGW9MCkk5KO6lRqBsFvspk=\n"
    "time 2026-03-13T12:00:01Z\n\n"
    "— farm.example/log UaUSZb8LKmfQGY5Q0nJWIOLVoQkIqIwL22WrzUEK3xzi/sQ+hXESN/k3LbbPEHROf+zryFP1"
    "vimAtPtgoUEhzas2Vwk=\n"
)
VERIFIER: Final = "farm.example/log+51a51265+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
CONTRACT: Final = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
TRANSACTION: Final = "0x" + "9fc76417374aa880d4449a1f7f31ec597f00b1f6f3dd2d66f4c9c6c445836d8b"
ANCHOR: Final = (
    "rendertrust-anchor-v1\norigin farm.example/log\nchain 11155111\n"
    f"contract {CONTRACT}\nsize 3\nroot {ROOT}\ntransaction {TRANSACTION}\nblock 12345\n\n"
    "— farm.example/log UaUSZZI09qmOYhfNaFxiO24pPwbDbboc9lYPoRg3bk4UD7Qoxy4q3Jjg2ouyPeZcXoiMx95+"
    "kx5oKHv0icX712179gg=\n"
)

LEDGER_PROOF: Final[Example] = {
    "entry_id": 42,
    "side": "credit",
    "merkle_root": ROOT,
    "proof_hashes": ["1e46971d4a76a89c14afb610751acaf8686dceb2c84183ae4228b6eea1c47f9e", THIRD],
    "directions": ["left", "right"],
    "anchor_tx_hash": TRANSACTION,
    "block_number": 12345,
    "chain_id": 11155111,
    "contract": CONTRACT,
    "anchor": ANCHOR,
    "leaf": LEAF,
    "leaf_hash": "9210edc81cf0fedcccb6a29c7482f25a7f1606f7dfd5a437ee9f115edbea1afd",
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
    "from_root": "ebc17bf07d1f1854b772fba157b8e5f25c7bc1a631d30330f8cb698ef023145f",
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
    "entry_id": 41,
    "proof": {
        "entry_id": 41,
        "side": "debit",
        "merkle_root": "5ec4447a7ef1cb0bea71baf08e94baa4d71fcaa411f0a818c17af39dc8621e4b",
        "proof_hashes": [
            "a1af030231ca2fd20ecf30c5294baf8f69321d09bb16ac53885ccd17a385280d",
            "656d3e8f544238cdf6e32d640f51ba0914959b14edd7a52d0b8b99ab4c8ac6c6",
        ],
        "directions": ["left", "right"],
        "leaf": "rendertrust-transfer-v1\n"
        "transfer 21\n"
        "time 2026-03-13T12:00:00.000000Z\n"
        "kind USAGE\n"
        "amount 100000\n"
        "receipt 26110b2d91621105553ef3d83ac1f6c708218375ab58efdccbca0ef30d5ab6b7\n"
        "debit 50e16bdd9480b5ca1847c7f21d87f7906d4b7f455d45fbd5d75c8bcfccd81f6e\n"
        "credit ecc4873a1694eb0de0b33d68f0df091d6816127c1422266399700d02599a8628\n",
        "leaf_hash": "0ab41413f85618d44b58177dedad7c36fbfb237a57cc24d821e3673273de8cd6",
        "leaf_index": 1,
        "tree_size": 3,
        "checkpoint": "farm.example/log\n"
        "3\n"
        "XsREen7xywvqcbrwjpS6pNcfyqQR8KgYwXrznchiHks=\n"
        "time 2026-03-13T12:00:00Z\n"
        "\n"
        "— farm.example/log "
        "UaUSZYAVRmgn4V5pqlpmA+c356g4jyp/K56Y5eVwcio4aY60jSE3HBOOhk32xUFB2sRyVIawOfItvAE6oryucw0m0Qc=\n",
        "verifier": "farm.example/log+51a51265+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "anchor_tx_hash": None,
        "block_number": None,
        "chain_id": None,
        "contract": None,
        "anchor": None,
        "opening": None,
    },
}
