#!/usr/bin/env bash
# build-tfjs-node.sh [PROJECT]
#   Builds @tensorflow/tfjs-node without its download of libtensorflow, which closed networks do not reach. The library and
#   its headers come from TensorFlow's wheel on PyPI, and the addon is compiled here. Run it after `npm ci --ignore-scripts`;
#   a second run changes nothing.
#
#   Needs: Linux on x86-64, python3 with pip or venv, a C++17 compiler, 1 GB of disk. The headers of Node-API come with Node,
#   or from the npm package node-api-headers.
#   env: TENSORFLOW_VERSION (2.15.1), TENSORFLOW_CACHE (~/.cache/tfjs-node), NODE_API_INCLUDE, CXX
set -euo pipefail
project=$(cd "${1:-.}" && pwd)
version=${TENSORFLOW_VERSION:-2.15.1}
cache=${TENSORFLOW_CACHE:-$HOME/.cache/tfjs-node}/$version
package=$project/node_modules/@tensorflow/tfjs-node
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ ! -e "$package/binding.gyp" ]; then
  echo "$package does not exist: run 'npm ci --ignore-scripts' first" >&2
  exit 1
fi

if [ ! -e "$cache/complete" ]; then
  mkdir -p "$cache"
  # Debian's Python has no pip, but its virtual environments have one.
  python=python3
  if ! python3 -m pip --version >/dev/null 2>&1; then
    python3 -m venv "$scratch/python"
    python=$scratch/python/bin/python3
  fi
  # Only the libraries and headers of the wheel are used, so any version of Python will do.
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --dest "$scratch/wheels" "tensorflow-cpu==$version"
  python3 - "$scratch/wheels" "$cache" <<'PYTHON'
import pathlib, sys, zipfile

wheels, cache = map(pathlib.Path, sys.argv[1:])
wanted = (
    "tensorflow/libtensorflow_cc.so.2",
    "tensorflow/libtensorflow_framework.so.2",
    "tensorflow/include/tensorflow/c/",
    "tensorflow/include/tensorflow/core/platform/",
    "tensorflow/include/tensorflow/tsl/",
    "tensorflow/include/tsl/",
)
with zipfile.ZipFile(next(wheels.glob("tensorflow_cpu-*.whl"))) as wheel:
    for name in wheel.namelist():
        if name.startswith(wanted):
            wheel.extract(name, cache)
PYTHON
  touch "$cache/complete"
fi

libraries=$cache/tensorflow
rm -rf "$package/deps"
mkdir -p "$package/deps/lib" "$package/lib/napi-v8"
ln -s "$libraries/include" "$package/deps/include"
for name in cc framework; do ln -s "$libraries/libtensorflow_$name.so.2" "$package/deps/lib/"; done
ln -s libtensorflow_cc.so.2 "$package/deps/lib/libtensorflow.so"
ln -s libtensorflow_framework.so.2 "$package/deps/lib/libtensorflow_framework.so"

headers=$cache/node-api-headers/package/include
node_home=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
include=
for folder in "${NODE_API_INCLUDE:-}" "$node_home/include/node" /usr/include/node "$headers"; do
  if [ -e "$folder/node_api.h" ]; then
    include=$folder
    break
  fi
done
if [ -z "$include" ]; then
  npm pack --silent --pack-destination "$scratch" node-api-headers@1 >/dev/null
  mkdir -p "$cache/node-api-headers"
  tar --extract --directory="$cache/node-api-headers" --file="$(echo "$scratch"/*.tgz)"
  include=$headers
fi

"${CXX:-g++}" -O2 -fPIC -shared -std=c++17 -DNAPI_VERSION=8 -I"$include" -I"$package" -I"$package/deps/include" \
  "$package/binding/tfjs_backend.cc" "$package/binding/tfjs_binding.cc" -o "$package/lib/napi-v8/tfjs_binding.node" \
  -L"$package/deps/lib" -ltensorflow -ltensorflow_framework "-Wl,-rpath,\$ORIGIN/../../deps/lib"

cd "$project"
TF_CPP_MIN_LOG_LEVEL=2 node -e '
  require("node:util").isNullOrUndefined ??= (value) => value == null; // removed in Node 23
  const tf = require("@tensorflow/tfjs-node");
  const [six] = tf.matMul([[1, 2]], [[2], [2]]).dataSync();
  if (tf.getBackend() !== "tensorflow" || six !== 6) process.exit(1);
  console.log(`tfjs-node works: libtensorflow ${tf.backend().binding.TF_Version}`);'
