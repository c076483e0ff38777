"""Messages by mail."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import format_datetime

from healthcare_ops.adapters.webhook import tls_context, unreached
from healthcare_ops.core.errors import ConfigError, Reason, TransientError
from healthcare_ops.core.notices import Message
from healthcare_ops.core.notification_file import Smtp

_MOST_SAID = 200


class MailMessenger:
    """Hands mails to one channel's server."""

    def __init__(self, channel: Smtp, secret: Callable[[str], str]) -> None:
        self._channel = channel
        self._secret = secret

    def send(self, message: Message) -> str:
        """Hand the mail over; return which recipients were refused while others were not.

        Raises
        ------
        ConfigError
            If the password or the file of certificates cannot be used.
        TransientError
            If the server is not reached, does not encrypt, or refuses. A password is never sent before the way is
            encrypted and the server verified.
        """
        password = self._password()
        host = self._channel.host
        try:
            with self._connected() as server:
                if password:
                    server.login(self._channel.username, password)
                refused = server.send_message(
                    _mail(message, self._channel), self._channel.sender, list(self._channel.recipients)
                )
        except smtplib.SMTPNotSupportedError:
            raise TransientError(f"{host} offers no STARTTLS, or no way to log in.", reason=Reason.NETWORK) from None
        except smtplib.SMTPRecipientsRefused as error:
            raise TransientError(f"{host} refused {', '.join(error.recipients)}.", reason=Reason.NETWORK) from None
        except smtplib.SMTPResponseException as error:
            # What a server says may repeat what it was told.
            said = str(error.smtp_error, "utf-8", "replace") if isinstance(error.smtp_error, bytes) else ""
            said = said.replace(password, "…") if password else said
            raise TransientError(
                f"{host} answered {error.smtp_code} {said[:_MOST_SAID]!r}.", reason=Reason.NETWORK
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise unreached(host, error) from None
        return f"refused: {', '.join(sorted(refused))}" if refused else ""

    def _password(self) -> str:
        if not self._channel.password_secret:
            return ""
        password = self._secret(self._channel.password_secret)
        if not password.isascii():
            raise ConfigError(
                f"secret {self._channel.password_secret!r} has other letters than mail servers take.",
                next_step="Use a password of ASCII letters, digits and signs.",
            )
        return password

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """Yield a server that is encrypted as the channel says; what it says after a mail changes nothing."""
        channel, context = self._channel, tls_context(self._channel.ca_file)
        server: smtplib.SMTP
        if channel.security == "tls":
            server = smtplib.SMTP_SSL(channel.host, channel.port, timeout=channel.timeout_s, context=context)
        else:
            server = smtplib.SMTP(channel.host, channel.port, timeout=channel.timeout_s)
        try:
            if channel.security == "starttls":
                server.starttls(context=context)
            yield server
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()


def _mail(message: Message, channel: Smtp) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.title.split())
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.recipients)
    mail["Date"] = format_datetime(message.sent_at)
    # The same message, sent twice, is one to a mail program.
    mail["Message-ID"] = f"<{message.message_id}@{channel.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    mail["Content-Language"] = message.language
    return mail
