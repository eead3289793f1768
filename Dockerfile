# Maia's image: docker build -t pleiades-maia:latest .    What is in it and how to run it: docs/container.md
# Nothing here needs BuildKit.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# optional: another package index; the hashes are checked all the same
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 DO_NOT_TRACK=1
WORKDIR /src
# Wheels only: a package that needs a compiler fails the build. The requirement files are complete, so pip resolves
# nothing, and a later release of a package changes nothing.
COPY requirements-build.txt requirements.txt ./
RUN python3 -m venv --without-pip /opt/build \
    && python3 -m venv --without-pip /opt/maia \
    && python3 -m pip --python /opt/build/bin/python install --quiet --require-hashes --no-deps --only-binary :all: --no-compile \
        --requirement requirements-build.txt \
    && python3 -m pip --python /opt/maia/bin/python install --quiet --require-hashes --no-deps --only-binary :all: --no-compile \
        --requirement requirements.txt
COPY container/slim.py container/
RUN python3 container/slim.py /opt/maia
COPY pyproject.toml README.md LICENSE ./
COPY atlas atlas
COPY maia maia
COPY youtube_sandbox youtube_sandbox
# .dockerignore lets files without an extension through: of the packages these are py.typed and a license.
RUN find atlas maia youtube_sandbox -type f ! -name '*.py' ! -name '*.sql' ! -name py.typed \
        ! -path youtube_sandbox/themes.json ! -path 'maia/report/static/*' ! -path 'maia/report/templates/*' -delete \
    && /opt/build/bin/python -m hatchling build --target wheel --directory /dist \
    && python3 -m pip --python /opt/maia/bin/python install --quiet --no-index --no-deps --no-compile /dist/*.whl
COPY container/bytecode.py container/
RUN PYTHONPYCACHEPREFIX=/opt/maia/bytecode PYTHONSAFEPATH=1 /opt/maia/bin/python container/bytecode.py

FROM ${BASE}
# Remove the base image's pip and add the agents' user, in a layer of a few kilobytes.
RUN find /usr/bin /usr/lib /usr/local/bin /usr/local/lib /usr/share/python-wheels \
        \( -name pip -o -name 'pip[0-9]*' -o -name 'pip-*' -o -name ensurepip \) -prune -exec rm -rf {} + 2>/dev/null; \
    echo 'maia:x:10001:10001::/tmp:/usr/sbin/nologin' >>/etc/passwd \
    && echo 'maia:x:10001:' >>/etc/group \
    && mkdir --mode=1777 /run/maia
COPY --from=build /opt/maia /opt/maia
ENV PATH=/opt/maia/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    LANG=C.UTF-8 \
    # import nothing from the working directory
    PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPYCACHEPREFIX=/opt/maia/bytecode \
    # for any user, without a home, on a read-only root
    HOME=/tmp PREFECT_HOME=/tmp/prefect HF_HOME=/tmp/huggingface \
    # no telemetry
    DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false HF_HUB_DISABLE_TELEMETRY=1 \
    # a container's disk does not last: without VAULT_PROVIDER nothing is archived
    ATLAS_VAULT_DEFAULT=off
USER 10001:10001
WORKDIR /tmp
CMD ["python", "-m", "maia", "--help"]

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=https://github.com/pleiades/maia
ARG LICENSES=MIT
LABEL org.opencontainers.image.title="Maia" \
    org.opencontainers.image.description="Stateless agents that discover YouTube videos and measure how fast they go viral" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.licenses="${LICENSES}"
