# One image for every part of Certsmith; the command selects the part:
#
#     python -m services.provisioner | … .validator | … .terminator | certsmith migrate | certsmith …
#
# It contains no secret, and nothing writes to it at run time: it runs with a read-only root, without capabilities, as a
# user that owns no files. Ports below 1024 are allowed by the kernel's net.ipv4.ip_unprivileged_port_start
# (docker-compose.yml sets it), not by a capability. Define health checks where you run it:
# python -m shared.process.health_check URL.

ARG PYTHON=python:3.13-slim-trixie


FROM ${PYTHON} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /source

# The build backend is pinned like everything else, so building the wheel downloads nothing.
COPY deploy/requirements-build.txt deploy/
RUN pip install --require-hashes --only-binary=:all: -r deploy/requirements-build.txt

# Dependencies change rarely, so they are a separate layer.
COPY requirements.txt ./
RUN python -m venv --without-pip /opt/certsmith \
    && pip --python /opt/certsmith/bin/python install --require-hashes --only-binary=:all: -r requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY certsmith certsmith
COPY services services
COPY shared shared
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/certsmith/bin/python install --no-index --no-deps /wheels/*.whl


FROM ${PYTHON}

# The final image has no installer.
RUN pip uninstall --yes --root-user-action=ignore pip \
    && rm -rf /usr/local/lib/python3*/ensurepip \
    && groupadd --gid 10001 certsmith \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin certsmith

COPY --from=build /opt/certsmith /opt/certsmith

# Safe path: `python -m` looks for modules in the installation only, never in the current folder.
ENV PATH=/opt/certsmith/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1

USER 10001:10001
WORKDIR /
EXPOSE 80 443

CMD ["certsmith", "--help"]
