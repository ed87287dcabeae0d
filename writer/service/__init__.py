"""The service: the loop that receives, commits, answers requests, and does what need not be done now."""
