"""A mail API on the laptop: imitates the real one over HTTP, misbehaves on request, shows what arrived."""

from outbox.local.sandbox.app import create_app
from outbox.local.sandbox.auth import token
from outbox.local.sandbox.server import Sandbox
from outbox.local.sandbox.settings import SandboxSettings

__all__ = ["Sandbox", "SandboxSettings", "create_app", "token"]
