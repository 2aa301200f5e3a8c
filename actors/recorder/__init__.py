"""Actor that records when nodes connect and disconnect."""
