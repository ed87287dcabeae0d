"""What the sampler, the writer and the query command share and none of them owns."""

__version__ = "0.1.0"
