"""The API on the server of Python's own library. The file `received` has a line for each accepted record."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = os.environ["FOLDER"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = os.environ["PROTOCOL"]

    def do_POST(self):
        records = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with open(f"{folder}/received", "a", encoding="utf-8") as out:
            out.write("".join(json.dumps(record) + "\n" for record in records))
        body = b'{"status": "success"}'
        self.send_response(200)
        # Without a length, the body of an HTTP/1.0 answer ends with the connection.
        if "LENGTH" in os.environ:
            self.send_header("content-length", str(len(body)))
        if "KEEP_ALIVE" in os.environ:
            self.send_header("connection", "keep-alive")
            self.close_connection = False
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
