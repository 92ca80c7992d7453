"""The API behind uvicorn. The file `received` has a line for each accepted record."""

import asyncio
import json
import os
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

folder = os.environ["FOLDER"]
delay = float(os.environ.get("DELAY", "0"))
app = FastAPI()


class Event(BaseModel):
    user_id: str = Field(min_length=1)
    event: str = Field(pattern="^[^!]*$")
    timestamp: AwareDatetime
    properties: dict[str, Any] = {}


@app.post("/publish_events")
async def publish(events: list[Event], x_api_key: Annotated[str, Header()]):
    if x_api_key != "test-key":
        raise HTTPException(401, "Invalid API key")
    with open(f"{folder}/received", "a", encoding="utf-8") as out:
        for event in events:
            record = {"properties": event.properties, "worker": os.getpid()}
            out.write(json.dumps(record) + "\n")
    await asyncio.sleep(delay)
    if "CHUNKED" in os.environ:
        return StreamingResponse(iter(['{"status": ', '"success"}']), media_type="application/json")
    return {"status": "success"}
