"""``telemetry-forward``: sends what the database holds to a time-series engine.

``samples`` and ``facts`` read the documented tables and make points, ``lines`` writes points in Influx line
protocol, ``client`` posts them, ``delivery`` tries again until they are taken, and ``cursor`` remembers what
was sent. ``loop`` does one after the other.
"""
