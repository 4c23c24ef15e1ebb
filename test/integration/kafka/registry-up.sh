#!/usr/bin/env bash
# registry-up.sh DIR [PORT]
#   Starts a schema registry (Apicurio, in memory) on 127.0.0.1 that speaks Confluent's API, from what Maven fetches once.
#   Prints REGISTRY_URL=…; everything else goes to stderr. kafka-down.sh DIR stops it. Needs Java 17 and node; Maven only when
#   the jars are missing.
#   env: REGISTRY_VERSION (2.6.13.Final: 3 wants Java 21), REGISTRY_LIBS (folder of the jars), REGISTRY_HEAP (256m)
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIR=${1:?usage: registry-up.sh DIR [PORT]}
PORT=${2:-}
VERSION=${REGISTRY_VERSION:-2.6.13.Final}
LIBS=${REGISTRY_LIBS:-$HERE/../../../.cache/apicurio/$VERSION}
mkdir -p "$DIR/tmp" "$LIBS"
DIR=$(cd "$DIR" && pwd)
LIBS=$(cd "$LIBS" && pwd)

exec 8>"$LIBS/.lock"
flock 8
if [ ! -e "$LIBS/unpacked" ]; then
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    "-Dartifact=io.apicurio:apicurio-registry-app:$VERSION:tar.gz:all" "-DoutputDirectory=$LIBS" >&2
  tar -xzf "$LIBS/apicurio-registry-app-$VERSION-all.tar.gz" -C "$LIBS"
  rm "$LIBS/apicurio-registry-app-$VERSION-all.tar.gz"
  touch "$LIBS/unpacked"
fi
exec 8>&-

if [ -z "$PORT" ]; then
  PORT=$(node -e '
    const server = require("node:net").createServer().listen(0, "127.0.0.1", () => {
      console.log(server.address().port);
      server.close();
    });')
fi
JVM=("-Xmx${REGISTRY_HEAP:-256m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "-Djava.io.tmpdir=$DIR/tmp"
  -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$PORT")
# It outlives this script.
(exec setsid java "${JVM[@]}" -jar "$LIBS"/apicurio-registry-*-runner.jar >"$DIR/log" 2>&1 </dev/null) &
echo $! >"$DIR/pid"

URL=http://127.0.0.1:$PORT/apis/ccompat/v7
for ((t = 0; t < 360; t++)); do
  if node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "$URL/subjects"; then
    echo "REGISTRY_URL=$URL"
    exit 0
  fi
  kill -0 "$(cat "$DIR/pid")" 2>/dev/null || break
  sleep 0.25
done
echo "the registry did not come up; its last lines:" >&2
tail -n 30 "$DIR/log" >&2
exit 1
