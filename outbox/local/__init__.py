"""An AWS and a mail API on the laptop: no Docker, no account, nothing left behind."""
