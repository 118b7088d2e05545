"""The shell around the core: one owner thread, one daemon thread per running step, cancellation, signals."""
