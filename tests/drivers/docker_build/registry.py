"""A real registry (Debian's docker-registry) on 127.0.0.1 for the length of a test, and a token server for it."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

USER, PASSWORD = "dora", "correct horse"
DEADLINE = 15


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def registry(folder: Path, *, tls: bool = False, auth: dict[str, Any] | None = None) -> Iterator[str]:
    """Its address, `127.0.0.1:PORT`. An engine takes any certificate from a loopback address."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is missing; on Debian: apt-get install docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    http_section: dict[str, Any] = {"addr": address, "secret": "for tests"}
    if tls:
        certificate = trustme.CA().issue_cert("127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        http_section["tls"] = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": http_section,
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
        try:
            wait_until_open(address, process, folder / "log")
            yield address
        finally:
            process.terminate()
            process.wait(DEADLINE)


def wait_until_open(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the registry did not start: {log.read_text()}")


def htpasswd(folder: Path) -> dict[str, Any]:
    """The `auth` section that lets USER in with PASSWORD."""
    folder.mkdir(parents=True, exist_ok=True)
    program = shutil.which("htpasswd")
    if program is None:
        pytest.skip("htpasswd is missing; on Debian: apt-get install apache2-utils")
    made = subprocess.run([program, "-Bbn", USER, PASSWORD], check=True, capture_output=True)
    (folder / "htpasswd").write_bytes(made.stdout)
    return {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}


class TokenServer:
    """Gives a bearer token for the identity token IDENTITY, as an OAuth2 server does. `asked`: what clients sent."""

    IDENTITY = "an-identity-token"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.asked: list[dict[str, str]] = []
        self._key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens")])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
            .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._bundle = folder / "tokens.pem"
        self._bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fields = {key: values[0] for key, values in urllib.parse.parse_qs(body).items()}
                outer.asked.append(fields)
                if fields.get("refresh_token") != outer.IDENTITY:
                    self.send_error(401)
                    return
                answer = json.dumps({"access_token": outer.token(fields.get("scope", "")), "expires_in": 300}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.auth = {
            "token": {
                "realm": f"http://127.0.0.1:{self._server.server_address[1]}/token", "service": "registry",
                "issuer": "tokens", "rootcertbundle": str(self._bundle),
            }
        }

    def token(self, scope: str) -> str:
        """A signed token for `repository:NAME:ACTIONS`."""
        now = int(time.time())
        access = []
        if scope:
            kind, name, actions = scope.split(":")
            access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        certificate = base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER)).decode()
        header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
        claims = {
            "iss": "tokens", "sub": "dora", "aud": "registry", "exp": now + 300, "nbf": now - 60, "iat": now,
            "jti": str(now), "access": access,
        }
        signed = ".".join(plain(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{plain(signature)}"

    def __enter__(self) -> TokenServer:
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
