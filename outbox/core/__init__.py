"""Rules of the outbox without any input or output: mails, states, moves, time."""
