# Stands in for node:<version>-bookworm-slim: the host's Node and npm in the same places.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1000 node \
 && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
COPY node /usr/local/bin/
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
# The host's authorities and registry, so that packages come the way the host gets them.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ARG REGISTRY
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt NPM_CONFIG_REGISTRY=${REGISTRY} NPM_CONFIG_OMIT_LOCKFILE_REGISTRY_RESOLVED=true
CMD ["node"]
