"""RenderTrust: client, node agent and offline verifier."""

__version__ = "0.1.0"
