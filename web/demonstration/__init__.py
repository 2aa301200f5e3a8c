"""The demo: a gateway, two nodes and a creator on this machine, from upload to verified receipt."""
