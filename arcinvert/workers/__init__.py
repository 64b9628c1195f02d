"""Many processes and machines: one interface for the batches of an attack, an audit and a synthetic set.

The rule of equal results: a batch is computed by one process, and its result follows from the batch, the
device and the number of threads of that process. Which process computes it, and how many there are, changes
nothing. So every process, that of the command included, has the same number of threads.
"""
