"""Which adapter sends the messages of a channel."""

from __future__ import annotations

from healthcare_ops.adapters.apprise_services import AppriseMessenger
from healthcare_ops.adapters.mail import MailMessenger
from healthcare_ops.adapters.webhook import WebhookMessenger
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.notification_file import Channel
from healthcare_ops.ports import Messenger, SecretStore


def open_channel(channel: Channel, secrets: SecretStore) -> Messenger:
    """Return who sends the messages of a channel; secrets are asked for when one is sent."""

    def secret(name: str) -> str:
        if name not in secrets.names():
            raise ConfigError(f"secret {name!r} is not set.", next_step=f"Run `hops secrets set {name}`.")
        return secrets.get(name).decode("utf-8", "replace")

    if channel.kind == "webhook":
        return WebhookMessenger(channel, secret)
    if channel.kind == "smtp":
        return MailMessenger(channel, secret)
    return AppriseMessenger(channel, secret)
