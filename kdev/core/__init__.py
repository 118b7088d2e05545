"""The domain: steps, graph, inputs, plan, scheduler. Values and decisions only; no I/O, clock, thread or log."""
