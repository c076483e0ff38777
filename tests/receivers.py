"""Real servers of this machine, which keep what notifications bring them."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "hops", "a-planted-password"


@dataclass
class HttpReceiver:
    """What was posted; each answer is the next of `answers`, a status or a status and where it sends on to."""

    url: str
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int | tuple[int, str]] = field(default_factory=list)


@contextmanager
def http_receiver(tls: ssl.SSLContext | None = None) -> Iterator[HttpReceiver]:
    """Run a receiver of posts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posts.append((dict(self.headers.items()), body))
            answer = receiver.answers.pop(0) if receiver.answers else 200
            status, place = answer if isinstance(answer, tuple) else (answer, "")
            self.send_response(status)
            if place:
                self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # a caller who distrusts the certificate hangs up
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        receiver = HttpReceiver(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/hook")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


@dataclass
class Mailbox:
    """What mails arrived, and who logged in and was asked to; it refuses the recipients of `refuses`."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802  # as aiosmtpd calls it
        if address in self.refuses:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802  # as aiosmtpd calls it
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def log_in(self, server, session, envelope, mechanism, data) -> AuthResult:
        found = (data.login.decode(), data.password.decode())
        self.logins.append(found)
        return AuthResult(success=found == (USER, PASSWORD), handled=False)


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, *, is_tls_from_the_start: bool = False) -> Iterator[Mailbox]:
    """Run a mail server that offers STARTTLS, or nothing but clear text, or speaks TLS from the start."""
    box, loop = Mailbox(), asyncio.new_event_loop()

    def serve() -> SMTP:
        # Logging in is offered without encryption too, so that a client that would do it is found out.
        return SMTP(
            box,
            hostname="127.0.0.1",
            tls_context=None if is_tls_from_the_start else tls,
            authenticator=box.log_in,
            auth_require_tls=False,
            loop=loop,
        )

    opening = loop.create_server(serve, "127.0.0.1", 0, ssl=tls if is_tls_from_the_start else None)
    server = loop.run_until_complete(opening)
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_end_conversations())
        loop.close()


async def _end_conversations() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return how a server of this machine shows who it is, and the file with which it is believed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    found = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "ca.pem", folder / "key.pem"
    public.write_bytes(found.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
