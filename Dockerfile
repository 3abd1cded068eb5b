# One image for every container of docker-compose.yml; the command says what a container is.
# The target `loadtest` adds the load generator.
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock ./
COPY local/compose/runtime_lock.py ./
COPY layers/dependencies/requirements.txt functions.txt
COPY local/requirements.txt local.txt
RUN python runtime_lock.py requirements.lock functions.txt local.txt > runtime.lock \
 && python -m venv --without-pip /opt/spillway \
 && python -m pip --python /opt/spillway/bin/python install --quiet --require-hashes --no-deps -r runtime.lock

FROM ${PYTHON} AS base
ENV PATH=/opt/spillway/bin:$PATH \
    PYTHONPATH=/app:/app/layers/backend/python \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# Volumes take their owner from these folders when they are made.
RUN for each in /data /files /keys /webhooks /reports /state /state/logs /state/shared; do \
      install --directory --owner=10001 --group=10001 --mode=0700 $each; done
WORKDIR /app
USER 10001:10001

FROM base AS runtime
COPY --from=dependencies /opt/spillway /opt/spillway
COPY template.yaml ./
COPY layers layers
COPY queue_workers queue_workers
COPY local local
COPY functions functions
# The file system is read-only, so what Python would write at the first import is written here.
USER root
RUN python -m compileall -q .
USER 10001:10001

FROM dependencies AS loadtest-dependencies
COPY loadtest/requirements.txt loadtest.txt
RUN python runtime_lock.py requirements.lock loadtest.txt > loadtest.lock \
 && python -m pip --python /opt/spillway/bin/python install --quiet --require-hashes --no-deps -r loadtest.lock

FROM base AS loadtest
COPY --from=loadtest-dependencies /opt/spillway /opt/spillway
COPY loadtest loadtest
