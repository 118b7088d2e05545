"""The config versions: one schema per version, one upgrade per step, and the table of them."""
