"""The Docker Engine: building and pushing images, and running workloads on it. The only room that imports docker."""
