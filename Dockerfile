# Everything a worker needs, and what a site of the sample pair needs: one image, so that client and server programs are
# never of two versions. glibc, because Temporal's core has no musl build.
FROM node:24-bookworm-slim

# Without create_main_cluster the package would start a cluster of its own in the image.
RUN apt-get update \
 && apt-get install -y --no-install-recommends postgresql-common \
 && echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends \
      postgresql-15 pgbackrest age zstd bind9-dnsutils openssl ca-certificates util-linux \
      redis-server redis-tools rocksdb-tools gnupg git openssh-client \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

COPY LICENSE tsconfig.json ./
COPY src src
COPY workflows workflows
COPY activities activities
COPY workers workers
COPY scripts scripts
RUN chmod +x workers/holdfast.ts && ln -s /app/workers/holdfast.ts /usr/local/bin/holdfast

# Debian keeps the server's programs off PATH.
ENV PATH=/usr/lib/postgresql/15/bin:$PATH NODE_ENV=production HOLDFAST_CONFIG=/etc/holdfast/holdfast.yaml

# A worker started as root runs PostgreSQL's programs as the user postgres; as any other user, as itself.
ENTRYPOINT ["holdfast"]
CMD ["worker", "--roles", "control,data"]
