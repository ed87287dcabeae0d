"""``telemetry-forward``: sends what the database holds to a time-series engine.

``samples`` and ``facts`` read the documented tables and make points. ``lines`` writes points in Influx line
protocol, ``client`` posts them, ``delivery`` retries until the engine takes them, and ``cursor`` remembers
what was sent. ``loop`` runs these steps in turn.
"""
