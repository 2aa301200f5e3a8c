"""The paymaster: what operators earned becomes payable once nobody can dispute it any more."""
