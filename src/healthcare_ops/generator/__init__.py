"""A synthetic hospital that queues: what happens in it, what its systems deliver of that, and what goes wrong."""
