"""Examples of receipts: a valid one, made with throw-away keys."""

from typing import Final

from web.openapi.examples.reference import Example

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
