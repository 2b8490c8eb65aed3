"""A stand-in for Google's store and its login on loopback, which refuses as Google does."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Refusing:
    """A server that answers each request with one error, as JSON like Google's; `requests` counts them.

    status : of the answers; message : in them
    """

    def __init__(self, status: int, message: str) -> None:
        self.requests = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                server.requests += 1
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                login = self.path == "/token"  # which has another shape than the store
                error = "invalid_grant" if login else {"code": status, "message": message}
                body = json.dumps({"error": error, "error_description": message}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=UTF-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def service_account(path: Path, login: str) -> Path:
    """Write the key file of a service account that logs in at a URL; the key is made up for it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    facts = {"type": "service_account", "project_id": "glc", "private_key_id": "1", "private_key": key.decode()}
    facts |= {"client_email": "glc@glc.example", "client_id": "1", "token_uri": f"{login}/token"}
    path.write_text(json.dumps(facts))
    return path
