"""What is run on an attached machine: small scripts for its `sh`, read from standard input.

So they stand in no list of processes, and the account may have any shell. What they work with comes as quoted words in
front. Everything is in one folder, which a detached machine loses whole.
"""

import shlex

#: Nothing of a machine is read without an end.
MOST_OUTPUT = 64 * 1024

#: The first Python that is new enough, and what else is good to know, as JSON.
LOOK = r"""
for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python; do
  command -v "$name" >/dev/null 2>&1 || continue
  if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    exec "$name" -c '
import json, os, platform, shutil, sys
home = os.path.expanduser("~")
print(json.dumps({"python": sys.executable, "version": platform.python_version(), "home": home,
    "uv": shutil.which("uv") or "", "free": shutil.disk_usage(home).free, "host": platform.node(),
    "writable": os.access(home, os.W_OK)}))'
  fi
done
python3 --version 2>&1 | head -n 1
exit 41
"""

_ALIVE = r"""
alive() {
  pid=$(cat "$FOLDER/agent.pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
  [ ! -r "/proc/$pid/cmdline" ] || tr '\0' ' ' < "/proc/$pid/cmdline" | grep -qF "$FOLDER"
}
"""

#: A virtual environment with the client: by uv where the machine has it, else by venv and pip.
INSTALL = (
    _ALIVE
    + r"""
set -eu
umask 077
cd "$FOLDER"
if [ -x venv/bin/zaffre ] && [ "$(cat installed 2>/dev/null)" = "$MARK" ]; then
  echo "The client is installed already."
  exit 0
fi
if alive; then
  echo "The agent works: its client stays as it is until it is started anew."
  exit 0
fi
rm -rf venv installed
links=""
[ -d wheels ] && links="--find-links $FOLDER/wheels"
# What the machine trusts, uv shall trust, too.
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1
if [ -n "$UV" ]; then
  echo "Making an environment with uv and $PYTHON"
  "$UV" venv --quiet --python "$PYTHON" venv
  "$UV" pip install --python venv/bin/python $links "zaffre[agent] @ file://$FOLDER/$WHEEL" 2>&1
else
  echo "Making an environment with $PYTHON"
  "$PYTHON" -m venv venv 2>&1 || exit 42
  venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off $links \
    "zaffre[agent] @ file://$FOLDER/$WHEEL" 2>&1
fi
printf %s "$MARK" > installed
"""
)

#: The agent in a session of its own, so that it outlives ours; the pid is the agent's.
START = (
    _ALIVE
    + r"""
umask 077
cd "$FOLDER" || exit 1
if alive; then echo running; exit 0; fi
[ -f agent.log ] && [ "$(wc -c < agent.log)" -gt 4000000 ] && mv agent.log agent.log.1
venv/bin/python -c 'import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])' \
  "$FOLDER/venv/bin/zaffre" node start --config "$FOLDER/node.json" >> agent.log 2>&1 < /dev/null &
echo $! > agent.pid
echo started
"""
)

#: Whether the agent lives, who it is, and the end of what it said.
WATCH = (
    _ALIVE
    + r"""
cd "$FOLDER" || { echo gone; exit 0; }
if alive; then echo alive; else echo dead; fi
venv/bin/python -c 'import json
try: print(json.load(open("state/identity.json"))["node_id"])
except (OSError, ValueError, KeyError): print("-")' 2>/dev/null || echo -
tail -n 12 agent.log 2>/dev/null
exit 0
"""
)

#: The agent ends its runs and goes; what does not is killed.
_STOP = (
    _ALIVE
    + r"""
case "$FOLDER" in */.zaffre/attached/*) ;; *) exit 1 ;; esac
[ -d "$FOLDER" ] || exit 0
if alive; then
  kill -TERM "$pid" 2>/dev/null
  n=0
  while alive && [ "$n" -lt "$PATIENCE" ]; do sleep 0.5; n=$((n + 1)); done
  alive && kill -KILL "$pid" 2>/dev/null
fi
for place in /proc/[0-9]*; do
  case "$(readlink "$place/cwd" 2>/dev/null)" in "$FOLDER"|"$FOLDER"/*) kill -KILL "${place#/proc/}" 2>/dev/null ;; esac
done
"""
)

#: Then the folder goes. What was left is an error.
REMOVE = (
    _STOP
    + r"""
cd / && rm -rf "$FOLDER"
[ ! -e "$FOLDER" ]
"""
)

#: Or all that was the node's goes, and the client stays with its caches for the next one.
RELEASE = (
    _STOP
    + r"""
cd "$FOLDER" || exit 1
for one in * .[!.]*; do
  case "$one" in venv|wheels|cache|installed|*.whl) ;; *) rm -rf -- "$one" ;; esac
done
[ ! -e node.json ] && [ ! -e state ]
"""
)


def with_words(script: str, **words: object) -> str:
    """The script with its variables in front, each quoted."""
    return "".join(f"{name.upper()}={shlex.quote(str(value))}\n" for name, value in words.items()) + script
