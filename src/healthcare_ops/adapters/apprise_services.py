"""Messages to whatever service Apprise knows."""

from __future__ import annotations

import logging
from collections.abc import Callable

from healthcare_ops.core.errors import ConfigError, Reason, TransientError
from healthcare_ops.core.notices import Message
from healthcare_ops.core.notification_file import Apprise


class AppriseMessenger:
    """Hands messages to one channel's service."""

    def __init__(self, channel: Apprise, secret: Callable[[str], str]) -> None:
        self._channel = channel
        self._secret = secret

    def send(self, message: Message) -> str:
        """Hand the message over.

        Raises
        ------
        ConfigError
            If Apprise is not installed, or the secret is no address that it knows.
        TransientError
            If the service does not take the message; Apprise does not tell why without telling the address.
        """
        try:
            import apprise  # noqa: PLC0415  # an extra
        except ImportError as error:
            raise ConfigError(
                f"channel {self._channel.name!r} needs Apprise, which is not installed.",
                next_step="Run `pip install 'healthcare-ops[notify]'`.",
            ) from error
        # Its log holds addresses, and these hold tokens.
        logging.getLogger("apprise").disabled = True
        service = apprise.Apprise()
        if not service.add(self._secret(self._channel.url_secret)):
            raise ConfigError(
                f"secret {self._channel.url_secret!r} is no address that Apprise knows.",
                next_step="Set it again; Apprise's documents list the addresses.",
            )
        if not service.notify(body=message.text, title=message.title):
            raise TransientError("the service did not take the message.", reason=Reason.NETWORK)
        return ""
