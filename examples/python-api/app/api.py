"""A small JSON API: GET / greets, GET /healthz is for the probe."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            self.answer(200, {"ok": True})
        elif self.path == "/":
            self.answer(200, {"message": f"{os.environ['GREETING']} from python-api", "key_set": "API_KEY" in os.environ})
        else:
            self.answer(404, {"error": "not found"})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        if self.path != "/healthz":
            print(format % args)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"listening on 8000, Python {sys.version.split()[0]}")
    ThreadingHTTPServer(("0.0.0.0", 8000), Api).serve_forever()
