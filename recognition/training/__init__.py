"""Training recognisers: options, schedule, trainer, state, logs, warm start and removal of label noise."""
