"""The demo: a gateway, a node and a creator on this machine, and one picture from end to end."""
