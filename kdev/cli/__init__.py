"""The door: argv in, exit code out. The only room that wires real parts, prints, and reads the environment."""
