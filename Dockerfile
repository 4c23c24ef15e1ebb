# syntax=docker/dockerfile:1
# docker build -t vaemon .
# Pinned to what you have checked: --build-arg BUILD_IMAGE=node@sha256:… --build-arg RUN_IMAGE=node@sha256:…
ARG BUILD_IMAGE=node:24-bookworm-slim
ARG RUN_IMAGE=node:24-bookworm-slim

FROM ${BUILD_IMAGE} AS build
# libtensorflow neither scores nor trains where ONNX Runtime does. --build-arg NPM_FLAGS= installs it, and needs the internet: it is the only
# package with a script. (--omit=optional would leave out what decodes images and unpacks Kafka's batches, too.)
ARG NPM_FLAGS=--ignore-scripts
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Twice, for the compiler must not end up in the image, and what a version needs must not depend on it.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm ci --omit=dev ${NPM_FLAGS}

FROM ${RUN_IMAGE}
# The file has defaults: what a configuration or the environment of a container has takes precedence.
ENV NODE_ENV=production \
    VAEMON_DEFAULTS=/app/config/image.yaml
RUN install --directory --owner=1000 --group=1000 /var/lib/vaemon
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY backbone ./backbone
COPY docs/runbooks.md ./docs/
COPY config ./config
COPY data/host/*.csv* ./data/host/
# `node` by number, so that Kubernetes can tell that it is not root.
USER 1000:1000
VOLUME /var/lib/vaemon
EXPOSE 9464
# A first training does not block this page; /readyz is for whoever sends traffic. The port is that of the configuration (http.portFile).
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "const port = require('fs').readFileSync(process.env.VAEMON_HTTP_PORT_FILE ?? '/tmp/vaemon-port', 'utf8').trim(); fetch(`http://127.0.0.1:${port}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["demo"]
