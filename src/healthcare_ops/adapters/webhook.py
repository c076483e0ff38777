"""Messages posted to an address as JSON, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from healthcare_ops import __version__
from healthcare_ops.core.errors import ConfigError, Reason, TransientError
from healthcare_ops.core.notices import Message
from healthcare_ops.core.notification_file import LOOPBACK, Webhook, address_fault

SIGNATURE = "X-Hops-Signature"
TIMESTAMP = "X-Hops-Timestamp"


class _NoRedirect(HTTPRedirectHandler):
    """A message goes to the address that the file names, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request: the answer itself is then the failure."""


class WebhookMessenger:
    """Posts to one channel's address."""

    def __init__(self, channel: Webhook, secret: Callable[[str], str]) -> None:
        self._channel = channel
        self._secret = secret

    def send(self, message: Message) -> str:
        """Post the message.

        Raises
        ------
        ConfigError
            If the address, a secret or the file of certificates cannot be used.
        TransientError
            If the other side is not reached, is not whom it says, or does not answer with 2xx. Neither error tells
            more of the address than its host.
        """
        url = self._channel.url or self._secret(self._channel.url_secret)
        if fault := address_fault(url):
            raise ConfigError(f"the address of channel {self._channel.name!r} {fault}.", next_step="Set it again.")
        host = urlsplit(url).hostname or ""
        request = Request(url, self._body(message), self._headers(message), method="POST")  # noqa: S310  # checked above
        # This machine is not reached by way of a proxy.
        opener = build_opener(
            HTTPSHandler(context=tls_context(self._channel.ca_file)),
            _NoRedirect(),
            *([ProxyHandler({})] if host in LOOPBACK else []),
        )
        try:
            with opener.open(request, timeout=self._channel.timeout_s):
                return ""
        except HTTPError as error:
            error.close()
            moved = ", a redirect, which is not followed" if 300 <= error.code < 400 else ""
            raise TransientError(f"{host} answered {error.code}{moved}.", reason=Reason.NETWORK) from None
        except (OSError, HTTPException, ValueError) as error:
            raise unreached(host, error) from None

    def _body(self, message: Message) -> bytes:
        return json.dumps(message.document, ensure_ascii=False).encode()

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"hops/{__version__}",
            "Idempotency-Key": message.message_id,
            TIMESTAMP: str(int(message.sent_at.timestamp())),
        }
        if self._channel.signing_secret:
            key = self._secret(self._channel.signing_secret)
            headers[SIGNATURE] = signature(key, headers[TIMESTAMP], self._body(message))
        return headers


def signature(key: str, timestamp: str, body: bytes) -> str:
    """Return what shows that a body came from whoever has the key, at an instant (seconds since 1970)."""
    return "sha256=" + hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return how the other side is verified: by this machine's certificates, or those of a file."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"`ca_file` {ca_file!r} holds no certificates: {error}.", next_step="Give a file of PEM certificates."
        ) from error


def unreached(host: str, error: Exception) -> TransientError:
    """Return the error of a host that was not reached, with no word of what was sent."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = f"its certificate does not hold: {cause.verify_message}"
    elif isinstance(cause, TimeoutError):
        said = "it did not answer in time"
    elif isinstance(cause, OSError) and cause.strerror:
        said = cause.strerror
    else:
        said = type(cause).__name__
    return TransientError(f"{host} was not reached: {said}.", reason=Reason.NETWORK)
