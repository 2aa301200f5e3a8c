"""What is compared with: written once, at its best, and left alone."""
