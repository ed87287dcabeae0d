"""The stream between the sampler and its subscribers. Only this package imports zmq.

``publisher`` and ``subscriber`` are the two ends. ``ring`` holds the samples that were published, ``replay``
is the protocol by which a subscriber asks for them again, and ``joiner`` puts live and replayed samples in
order. ``control`` is the writer's own small socket.
"""
