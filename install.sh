#!/usr/bin/env bash
# Make .venv and install the locked packages that fit this machine. Called by `make install`, which
# passes what pip's own settings say: FIND_LINKS, INDEX, and GPU=yes where a CUDA device answers.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "install: Python $("$python" -V 2>&1 | cut -d" " -f2) is too old; 3.11 or later is needed (set PYTHON=…)" >&2
  exit 1
}
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
uv=(.venv/bin/python -m uv pip install --quiet --compile-bytecode --python .venv/bin/python)
[ -n "${INDEX:-}" ] && export UV_DEFAULT_INDEX="$INDEX"

if [ "$(uname -s)" != Linux ]; then
  echo "install: no vLLM for $(uname -s); the transformers engine does its work" >&2
  "${uv[@]}" -e ".[train,dev]"
elif [ "${GPU:-}" = yes ]; then
  echo "install: CUDA device found, vLLM with CUDA torch" >&2
  "${uv[@]}" --no-deps -r requirements-gpu.lock
  "${uv[@]}" --no-deps -e .
elif [ -n "${FIND_LINKS:-}" ]; then
  echo "install: no CUDA device, vLLM for CPU; CPU torch from pip's find-links" >&2
  # shellcheck disable=SC2086  # pip separates several places by blanks
  for place in $FIND_LINKS; do uv+=(--find-links "$place"); done
  "${uv[@]}" --no-deps -r requirements-cpu.lock
  "${uv[@]}" --no-deps -e .
else
  echo "install: no CUDA device, vLLM for CPU; CPU torch from PyTorch's own index" >&2
  "${uv[@]}" --torch-backend cpu --no-deps -r requirements-cpu.lock
  "${uv[@]}" --no-deps -e .
fi
