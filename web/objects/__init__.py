"""Files: multipart uploads, archives, and retention."""
