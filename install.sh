#!/usr/bin/env bash
# Make .venv and install the locked packages that fit this machine. Called by `make install`, which
# passes what pip's own settings say: FIND_LINKS, INDEX, and GPU=yes where a CUDA device answers.
# The locks hold for every Python from 3.11 to 3.14 on x86-64 and arm64; what cannot work is refused in one line.
set -euo pipefail
cd "$(dirname "$0")"

refuse() {
  echo "install: $1" >&2
  exit 1
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || refuse "no $python here; name a Python of 3.11 to 3.14: PYTHON=/usr/bin/python3.12 make install"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case "$version" in
  3.11 | 3.12 | 3.13 | 3.14) ;;
  *) refuse "Python $version is none of 3.11 to 3.14, for which there are wheels; name one of them: PYTHON=/usr/bin/python3.12 make install" ;;
esac
if [ -x .venv/bin/python ]; then
  held=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  [ "$held" = "$version" ] || refuse ".venv is of Python $held and $python is $version; \`make clean install\` makes it anew"
fi
if [ "$(uname -s)" = Linux ]; then
  case "$(uname -m)" in
    x86_64 | aarch64) ;;
    *) refuse "no wheels of torch and vLLM for $(uname -m); x86_64 or aarch64 is needed" ;;
  esac
  case "$(ldd --version 2>&1 || true)" in *musl*) refuse "no wheels of torch and vLLM for musl; a system with glibc is needed" ;; esac
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
uv=(.venv/bin/python -m uv pip install --python .venv/bin/python)
[ -n "${INDEX:-}" ] && export UV_DEFAULT_INDEX="$INDEX"
# shellcheck disable=SC2086  # pip separates several places by blanks
links() { for place in ${FIND_LINKS:-}; do printf -- '--find-links\n%s\n' "$place"; done; }

if [ "$(uname -s)" != Linux ]; then
  echo "install: no vLLM for $(uname -s); the transformers engine does its work" >&2
  "${uv[@]}" --quiet --compile-bytecode -e ".[train,dev]"
elif [ "${GPU:-}" = yes ]; then
  echo "install: CUDA device found, vLLM with CUDA torch" >&2
  "${uv[@]}" --quiet --compile-bytecode -r requirements-gpu.lock -e ".[gpu,dev,docs]"
else
  torch=$(grep '^torch==' requirements-cpu.lock)
  mapfile -t places < <(links)
  has() { "${uv[@]}" --quiet --dry-run --reinstall --no-deps "$@" "$torch" 2>/dev/null; }
  if [ "${#places[@]}" -gt 0 ] && has "${places[@]}"; then
    echo "install: no CUDA device, vLLM for CPU; CPU torch from pip's find-links" >&2
    from=("${places[@]}")
  elif has --torch-backend cpu; then
    echo "install: no CUDA device, vLLM for CPU; CPU torch from PyTorch's own index" >&2
    from=(--torch-backend cpu)
  else
    refuse "no $torch for Python $version on $(uname -m), neither in pip's find-links (${FIND_LINKS:-none}) nor at PyTorch's own index"
  fi
  "${uv[@]}" --quiet --compile-bytecode "${from[@]}" --override overrides-cpu.txt -r requirements-cpu.lock -e ".[cpu,dev,docs]"
fi
