"""What requests and answers look like, for the API's description."""
