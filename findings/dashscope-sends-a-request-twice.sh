#!/usr/bin/env bash
# Guess: one call of dashscope's Generation.call is one POST; if the connection breaks, the caller gets an error and
#   decides whether to pay for another try.
# What happens: where the connection ends before the reply's head, the SDK sends the same POST a second time by itself,
#   without a word, also when the server had taken the first one whole and may have worked (and billed) for it. A caller
#   that counts its calls, or keeps a limit on cost or on requests a minute, counts half.
# Way out: give the call a `session` of your own whose errors are not requests' ConnectionError, and count in it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q dashscope==2.0.2
cat > "$work/look.py" <<'PY'
import logging
import socket
import sys
import threading
from importlib.metadata import version

import dashscope

logging.getLogger("dashscope").setLevel(logging.CRITICAL)
door = socket.create_server(("127.0.0.1", 0))
seen = []


def serve() -> None:
    """Take every request whole, then close without an answer, as a gateway does that is restarted."""
    while True:
        line, _ = door.accept()
        data = b""
        while b"\r\n\r\n" not in data:
            data += line.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length"))
        while len(body) < length:
            body += line.recv(65536)
        seen.append(body)
        line.close()


threading.Thread(target=serve, daemon=True).start()
errors = 0
try:
    dashscope.Generation.call(
        model="qwen-plus",
        messages=[{"role": "user", "content": "Which lamp is on?"}],
        api_key="any",
        base_address=f"http://127.0.0.1:{door.getsockname()[1]}/api/v1",
    )
except Exception as error:
    errors += 1
    print("raised once:", type(error).__name__)
same = len(set(seen)) == 1
print(f"dashscope {version('dashscope')}: 1 call, {errors} error, {len(seen)} requests at the server, the same: {same}")
sys.exit(0 if (errors, len(seen), same) == (1, 2, True) else 1)
PY
NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 "$work/venv/bin/python" "$work/look.py"
