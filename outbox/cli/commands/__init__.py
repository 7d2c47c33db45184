"""One file a command; `resend`, `cancel`, `hold` and `release` share one, for they differ in one call."""
