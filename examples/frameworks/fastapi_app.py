# FastAPI: uvicorn fastapi_app:app --host 127.0.0.1 --port 3000 (only the gateway reaches it)
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header

app = FastAPI()


@app.post("/webhooks/{sender}")
def receive(
    sender: str,
    event: Annotated[Any, Body()],
    event_id: Annotated[str | None, Header(alias="sealpost-event-id")] = None,
    event_type: Annotated[str | None, Header(alias="sealpost-event-type")] = None,
):
    print(sender, event_type, event_id, event)
    return {"received": True}
