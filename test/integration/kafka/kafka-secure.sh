#!/usr/bin/env bash
# kafka-secure.sh DIR SSL MTLS SASL_SSL SASL_PLAINTEXT
#   For kafka-up.sh --secure: adds listeners with TLS and SASL on these ports to DIR/server.properties. In DIR/secure it makes
#   ca.pem, client.pem and client.key, other-ca.pem (which has signed nothing), password (of the user alice, for PLAIN and SCRAM),
#   jwt.key and jwks.json (of the provider whose tokens OAUTHBEARER takes: issuer `test-provider`, audience `kafka`).
#   Without SASL everyone may do everything; other users may use what has no ACL.
set -euo pipefail
DIR=$1 SSL=$2 MTLS=$3 SASL_SSL=$4 SASL_PLAINTEXT=$5
CONFIG=$DIR/server.properties
umask 077
mkdir -p "$DIR/secure"
cd "$DIR/secure"

for name in ca other-ca; do
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$name" -keyout "$name.key" -out "$name.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
done
for who in broker client; do
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$who" -keyout "$who.key" -out "$who.csr" 2>/dev/null
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' >extensions
  openssl x509 -req -in "$who.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile extensions \
    -out "$who.pem" 2>/dev/null
done
{ openssl pkcs8 -topk8 -nocrypt -in broker.key; cat broker.pem ca.pem; } >broker-store.pem
head -c 12 /dev/urandom | base64 | tr -d '/+=\n' >password
node -e '
  const { generateKeyPairSync } = require("node:crypto");
  const { writeFileSync } = require("node:fs");
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync("jwt.key", privateKey.export({ type: "pkcs8", format: "pem" }));
  const key = { ...publicKey.export({ format: "jwk" }), kid: "test", alg: "RS256", use: "sig" };
  writeFileSync("jwks.json", JSON.stringify({ keys: [key] }));'

MORE="SSL://127.0.0.1:$SSL,MTLS://127.0.0.1:$MTLS,SASL_SSL://127.0.0.1:$SASL_SSL,SASL_PLAINTEXT://127.0.0.1:$SASL_PLAINTEXT"
sed -i -e "s#^\(listeners=.*\|advertised.listeners=.*\)#\1,$MORE#" \
  -e 's#^\(listener.security.protocol.map=.*\)#\1,SSL:SSL,MTLS:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT#' "$CONFIG"
LOGIN=org.apache.kafka.common.security
cat >>"$CONFIG" <<P
ssl.keystore.type=PEM
ssl.keystore.location=$DIR/secure/broker-store.pem
ssl.truststore.type=PEM
ssl.truststore.location=$DIR/secure/ca.pem
listener.name.mtls.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
P
for listener in sasl_ssl sasl_plaintext; do
  cat >>"$CONFIG" <<P
listener.name.$listener.plain.sasl.jaas.config=$LOGIN.plain.PlainLoginModule required user_alice="$(cat password)";
listener.name.$listener.scram-sha-256.sasl.jaas.config=$LOGIN.scram.ScramLoginModule required;
listener.name.$listener.scram-sha-512.sasl.jaas.config=$LOGIN.scram.ScramLoginModule required;
listener.name.$listener.oauthbearer.sasl.jaas.config=$LOGIN.oauthbearer.OAuthBearerLoginModule required;
listener.name.$listener.oauthbearer.sasl.server.callback.handler.class=$LOGIN.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.$listener.oauthbearer.sasl.oauthbearer.jwks.endpoint.url=file://$DIR/secure/jwks.json
listener.name.$listener.oauthbearer.sasl.oauthbearer.expected.audience=kafka
listener.name.$listener.oauthbearer.sasl.oauthbearer.expected.issuer=test-provider
P
done
