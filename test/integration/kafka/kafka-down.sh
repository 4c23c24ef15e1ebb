#!/usr/bin/env bash
# kafka-down.sh DIR [--kill] [--wipe]   stops what kafka-up.sh or registry-up.sh started under DIR, and only that
#   --kill: SIGKILL at once (a crash); --wipe: delete DIR afterwards
set -euo pipefail
DIR=$(cd "${1:?usage: kafka-down.sh DIR [--kill] [--wipe]}" && pwd)
shift
SIGNAL=TERM WIPE=0
for option in "$@"; do
  case $option in --kill) SIGNAL=KILL ;; --wipe) WIPE=1 ;; *) echo "unknown option $option" >&2; exit 2 ;; esac
done
PID=$(cat "$DIR/pid" 2>/dev/null || true)
if [ -n "$PID" ] && tr '\0' ' ' 2>/dev/null <"/proc/$PID/cmdline" | grep -qF "$DIR/"; then
  kill -"$SIGNAL" "$PID"
  # A controlled shutdown can hang.
  for ((t = 0; t < 100; t++)); do kill -0 "$PID" 2>/dev/null || break; sleep 0.1; done
  if kill -0 "$PID" 2>/dev/null; then kill -KILL "$PID" 2>/dev/null || true; fi
fi
rm -f "$DIR/pid"
[ $WIPE = 0 ] || rm -rf "$DIR"
