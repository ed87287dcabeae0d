"""The service: the loop that receives, commits, answers requests, and does maintenance when it has time."""
