"""The API behind gunicorn. The file `received` has a line for each accepted record."""

import json
import os
import time

from flask import Flask, Response, request

folder = os.environ["FOLDER"]
app = Flask(__name__)
if "LIMIT" in os.environ:
    app.config["MAX_CONTENT_LENGTH"] = int(os.environ["LIMIT"])


def is_first(name):
    """Whether no process has asked for this before."""
    try:
        os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


@app.post("/publish_events")
def publish():
    if request.headers.get("x-api-key") != "test-key":
        return {"detail": "Invalid API key"}, 401
    records = request.get_json()
    lines = "".join(json.dumps(record | {"worker": os.getpid()}) + "\n" for record in records)
    out = os.open(f"{folder}/received", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(out, lines.encode())
    os.close(out)
    if "HANG_ONCE" in os.environ and is_first("hung"):
        time.sleep(60)
    if "CHUNKED" in os.environ:
        return Response((part for part in ['{"status": ', '"success"}']), mimetype="application/json")
    return {"status": "success"}
