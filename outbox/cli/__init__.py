"""The command `outbox`: find, look at, correct, send and stop mails from a terminal or a script."""
