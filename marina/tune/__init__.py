"""``marina tune``: the settings of a model that serve best on this machine, found by measuring what would be served."""
