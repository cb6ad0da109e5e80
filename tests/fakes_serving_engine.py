"""An engine without a model, as a process: `python -m tests.fakes_serving_engine SOCKET`.

It says what it was asked, as JSON; told to vote, it says letters; some words make it slow, die or fail. An adapter
whose folder holds the file refused.json or deadly.json it refuses, or dies of.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tasks.runtime import worker

LETTERS = ("Answer: A", "Answer: B", "So: none.", "Answer: B", "Answer: B")
_loaded: dict[str, str] = {}


async def completion(request: Request) -> Response:
    body = orjson.loads(await request.body())
    asked = orjson.dumps(body).decode()
    if body["model"] != "base" and body["model"] not in _loaded:
        return JSONResponse({"error": {"message": f"no {body['model']}"}}, 404)
    if "die now" in asked:
        os._exit(1)
    if "fail now" in asked:
        return JSONResponse({"error": {"message": "Traceback: /home/me/secret.py"}}, 500)
    if "wait" in asked:
        await asyncio.sleep(1)
    if (body.get("max_tokens") or 0) > 1024:
        return JSONResponse({"error": {"message": "'max_tokens' is too large: 1024 of /srv/models/base"}}, 400)
    if body.get("stream"):
        return StreamingResponse(_stream(body, 600 if "flood" in asked else 3), media_type="text/event-stream")
    texts = LETTERS[: body["n"]] if body.get("n", 1) > 1 else [asked]
    key = "message" if "messages" in body else "text"
    choices = [
        {"index": i, key: {"role": "assistant", "content": t} if key == "message" else t, "finish_reason": "stop"}
        for i, t in enumerate(texts)
    ]
    usage = {"prompt_tokens": 1, "completion_tokens": len(texts), "total_tokens": 1 + len(texts)}
    told = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
    return JSONResponse({**told, "choices": choices, "usage": usage})


async def _stream(body: dict[str, Any], count: int):  # type: ignore[no-untyped-def]
    for n in range(count):
        choice = {"index": 0, "delta": {"content": f"{n} " + "x" * (8192 if count > 3 else 0)}, "finish_reason": None}
        yield b"data: " + orjson.dumps({"id": "x", "model": body["model"], "choices": [choice]}) + b"\n\n"
        await asyncio.sleep(0.4 if "wait" in str(body) else 0)
    yield b"data: [DONE]\n\n"


async def load(request: Request) -> Response:
    body = orjson.loads(await request.body())
    if not Path(body["lora_path"], "adapter_model.safetensors").is_file():
        return JSONResponse({"error": {"message": f"no file in {body['lora_path']}"}}, 404)
    if Path(body["lora_path"], "deadly.json").is_file():
        print("RuntimeError: no kernel for these layers", file=sys.stderr, flush=True)
        os._exit(1)
    if Path(body["lora_path"], "refused.json").is_file():
        said = f"Call to add_lora method failed: /tmp/x/{body['lora_name']} has no known layer"
        return JSONResponse({"error": {"message": said, "type": "InternalServerError"}}, 500)
    _loaded[body["lora_name"]] = body["lora_path"]
    return Response()


async def tokenize(request: Request) -> Response:
    return JSONResponse({"tokens": list(await request.body())})


async def ok(request: Request) -> Response:
    return Response("vllm:requests 1\n", media_type="text/plain")


if __name__ == "__main__":
    worker.watch(group=True)
    posts = {
        "/v1/chat/completions": completion,
        "/v1/completions": completion,
        "/v1/load_lora_adapter": load,
        "/tokenize": tokenize,
    }
    routes = [Route(path, call, methods=["POST"]) for path, call in posts.items()]
    app = Starlette(routes=[*routes, Route("/health", ok), Route("/metrics", ok)])
    uvicorn.run(app, uds=sys.argv[1], log_level="warning")
