#!/usr/bin/env bash
# kafka-up.sh DIR [PORT] [--secure]
#   Starts (or finds already running) one KRaft broker on 127.0.0.1 with its data under DIR, from the jars that Maven
#   fetches once. Prints KAFKA_BOOTSTRAP=host:port; everything else goes to stderr. After kafka-down.sh DIR a second
#   call starts the same broker on the same port. Needs Java 17 and node; Maven only when jars are missing.
#   --secure: also listens with TLS and SASL, which kafka-secure.sh prepares; prints KAFKA_SSL=, KAFKA_MTLS=, KAFKA_SASL_SSL=
#   and KAFKA_SASL_PLAINTEXT= as well. Needs openssl.
#   env: KAFKA_VERSION (4.4.0), KAFKA_LIBS (folder of the jars), KAFKA_HEAP (256m)
#   Of a cluster, one call with a DIR for each node, all at once: KAFKA_NODE (its number, from 1), KAFKA_VOTERS
#   (1@host:port,2@…, where their controllers listen) and KAFKA_CLUSTER (22 characters of base64, the same for all).
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIR=${1:?usage: kafka-up.sh DIR [PORT] [--secure]}
shift
PORT='' SECURE=0
for option in "$@"; do
  case $option in --secure) SECURE=1 ;; *) PORT=$option ;; esac
done
VERSION=${KAFKA_VERSION:-4.4.0}
LIBS=${KAFKA_LIBS:-$HERE/../../../.cache/kafka/$VERSION}
mkdir -p "$DIR" "$LIBS"
DIR=$(cd "$DIR" && pwd)
CONFIG=$DIR/server.properties
NODE=${KAFKA_NODE:-1}
VOTERS=${KAFKA_VOTERS:-}
NODES=1
[ -z "$VOTERS" ] || NODES=$(tr ',' '\n' <<<"$VOTERS" | wc -l)
REPLICAS=$((NODES < 3 ? NODES : 3))
IN_SYNC=$((REPLICAS > 1 ? REPLICAS - 1 : 1))

exec 8>"$LIBS/.lock"
flock 8
if ! ls "$LIBS"/kafka_2.13-*.jar >/dev/null 2>&1; then
  mvn -q -B -f "$HERE/pom.xml" "-Dkafka.version=$VERSION" dependency:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$(cd "$LIBS" && pwd)" >&2
fi
exec 8>&-

exec 9>"$DIR/.lock"
flock 9
JVM=(-Xms64m "-Xmx${KAFKA_HEAP:-256m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData
  -Djava.awt.headless=true -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)

if [ ! -e "$DIR/formatted" ]; then
  read -r CONTROLLER FREE SECURE_PORTS < <(node -e '
    const net = require("node:net");
    const servers = [0, 1, 2, 3, 4, 5].map(() => net.createServer().listen(0, "127.0.0.1"));
    setTimeout(() => {
      console.log(servers.map((s) => s.address().port).join(" "));
      servers.forEach((s) => s.close());
    }, 50);')
  [ -n "$VOTERS" ] || VOTERS="1@127.0.0.1:$CONTROLLER"
  CONTROLLER=$(tr ',' '\n' <<<"$VOTERS" | sed -n "s#^$NODE@.*:##p")
  cat >"$CONFIG" <<P
process.roles=broker,controller
node.id=$NODE
controller.quorum.voters=$VOTERS
controller.listener.names=CONTROLLER
listeners=CONTROLLER://127.0.0.1:$CONTROLLER,PLAINTEXT://127.0.0.1:${PORT:-$FREE}
advertised.listeners=PLAINTEXT://127.0.0.1:${PORT:-$FREE}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$DIR/data
num.partitions=2
default.replication.factor=$REPLICAS
min.insync.replicas=$IN_SYNC
offsets.topic.replication.factor=$REPLICAS
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=$REPLICAS
transaction.state.log.min.isr=$IN_SYNC
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=$REPLICAS
share.coordinator.state.topic.min.isr=$IN_SYNC
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=10485760
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
P
  SCRAM=()
  if [ $SECURE = 1 ]; then
    # shellcheck disable=SC2086
    "$HERE/kafka-secure.sh" "$DIR" $SECURE_PORTS >&2
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
      SCRAM+=(--add-scram "$mechanism=[name=alice,password=$(cat "$DIR/secure/password")]")
    done
  fi
  # Behind a letter: one that begins with a dash would be taken for an option.
  CLUSTER=${KAFKA_CLUSTER:-V$(head -c16 /dev/urandom | base64 | tr '+/' '-_' | tr -d = | cut -c2-)}
  java "${JVM[@]}" -cp "$LIBS/*" kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER" -c "$CONFIG" \
    "${SCRAM[@]}" >&2
  touch "$DIR/formatted"
fi

ADDRESS=$(sed -n 's#^advertised.listeners=PLAINTEXT://\([^,]*\).*#\1#p' "$CONFIG")
# Of the OIDC provider whose keys the broker knows.
if [ -e "$DIR/secure/jwks.json" ]; then
  JVM+=("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://$DIR/secure/jwks.json")
fi
alive() {
  local pid
  pid=$(cat "$DIR/pid" 2>/dev/null) && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$CONFIG"
}
if ! alive; then
  # The broker outlives this script and must hold none of its files open.
  (exec 9>&- && exec setsid java "${JVM[@]}" -cp "$LIBS/*" kafka.Kafka "$CONFIG" >>"$DIR/log" 2>&1 </dev/null) &
  echo $! >"$DIR/pid"
fi

# An open port is not enough: a Metadata answer must name the broker.
ready() {
  node -e '
    const [host, port] = process.argv[1].split(":");
    // MetadataRequest v1 for no topics: size, key 3, version 1, correlation 1, client "up", empty array.
    const request = Buffer.from("00000010" + "0003" + "0001" + "00000001" + "00027570" + "00000000", "hex");
    const socket = require("node:net").connect({ host, port }, () => socket.write(request));
    const answer = [];
    socket.setTimeout(2000, () => process.exit(1));
    socket.on("error", () => process.exit(1));
    socket.on("data", (part) => {
      answer.push(part);
      const all = Buffer.concat(answer);
      if (all.length >= 12) process.exit(all.readInt32BE(8) > 0 ? 0 : 1);
    });' "$ADDRESS"
}
for ((t = 0; t < 240; t++)); do
  if ready; then
    echo "KAFKA_BOOTSTRAP=$ADDRESS"
    sed -n 's#^advertised.listeners=##p' "$CONFIG" | tr ',' '\n' | sed -n '2,$ s#^\(.*\)://#KAFKA_\1=#p'
    exit 0
  fi
  alive || { sleep 0.5; alive || break; }
  sleep 0.25
done
echo "the broker did not come up; its last lines:" >&2
tail -n 30 "$DIR/log" >&2
exit 1
