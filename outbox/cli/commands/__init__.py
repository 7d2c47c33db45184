"""One file a command; `cancel`, `reopen`, `hold`, `release` and `confirm` share one, for they differ in one call."""
