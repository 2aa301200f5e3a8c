"""The anchor: puts the log's roots where the gateway cannot take them back."""
