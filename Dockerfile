# syntax=docker/dockerfile:1
# A static binary and nothing else: no shell, no libc, no package manager; user 65532, made for a read-only file system.
#
#   docker build -t sealpost .       # with Podman: `podman build --format docker`, OCI's own format has no health check
#   docker run --read-only --cap-drop ALL -p 8080:8080 -v ./config:/etc/sealpost:ro sealpost
#
# The folder is mounted, not the file: an editor that renames over a file is then noticed, and secrets can lie beside it.

FROM rust:1.95-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates cmake make musl-tools && rm -rf /var/lib/apt/lists/*
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
# The caches keep crates and their objects between builds. Cargo goes by times of change, and those of a checkout may be older
# than the objects of another commit: `touch` has this package always compiled. The binary is copied out of the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    target="$(uname -m)-unknown-linux-musl" && touch src/lib.rs src/main.rs \
    && export CC_x86_64_unknown_linux_musl=musl-gcc CC_aarch64_unknown_linux_musl=musl-gcc \
    && cargo build --locked --release --target "$target" \
    && install -D -m 755 "target/$target/release/sealpost" /image/usr/local/bin/sealpost \
    && install -D -m 644 -t /image/licenses LICENSE-APACHE LICENSE-MIT \
    && install -D -m 644 -t /image/etc/ssl/certs /etc/ssl/certs/ca-certificates.crt \
    && install -d -m 700 -o 65532 -g 65532 /image/var/lib/sealpost \
    && /image/usr/local/bin/sealpost --version

FROM scratch
LABEL org.opencontainers.image.title="sealpost" \
      org.opencontainers.image.description="Webhook verification gateway" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# The binary, the certificates of public authorities for HTTPS upstreams and published keys, and the folder of `store: disk`.
COPY --from=build /image /
USER 65532:65532
EXPOSE 8080
# Asks the `admin` address of the file, which is on the loopback; a configuration without one is never healthy. Without
# `--start-interval`, which the builders of current distributions (Podman 4) refuse.
HEALTHCHECK --interval=5s --timeout=4s --start-period=5s \
    CMD ["/usr/local/bin/sealpost", "health", "/etc/sealpost/gateway.yaml"]
ENTRYPOINT ["/usr/local/bin/sealpost"]
CMD ["run", "/etc/sealpost/gateway.yaml"]
