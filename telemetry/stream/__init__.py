"""The stream between the sampler and everyone who listens. The only place that imports zmq.

``publisher`` and ``subscriber`` are the two ends; ``ring`` holds what was published, ``replay`` is the
protocol by which a subscriber asks for it again, ``joiner`` puts live and replayed samples in order,
``control`` is the writer's own small socket.
"""
