"""Actor that writes root hashes of the log to a blockchain, which the gateway cannot change."""
