"""Two trees kept equal: scan, reconcile, transfer. Knows streams of bytes; never pods, containers or SDKs."""
