"""Events of jobs, and streams of them."""
