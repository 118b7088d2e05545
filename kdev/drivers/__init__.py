"""The outside world: files, processes, the Docker Engine, Kubernetes, registries. One folder per SDK."""
