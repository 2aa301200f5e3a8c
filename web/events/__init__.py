"""What happens to jobs, told to those who follow them."""
