"""From what the user wrote to the graph of steps; pure. One module per section of devspace.yaml."""
