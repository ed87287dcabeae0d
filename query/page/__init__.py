"""``telemetry-query page``: the battery report as one file of HTML, without network and without scripts."""
