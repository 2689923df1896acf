# syntax=docker/dockerfile:1
# Two images of this checkout: `worker` runs the flows (and the Prefect server), `service` answers requests.
#   docker build --target worker --tag mtmd-worker .
#   docker build --target service --tag mtmd-service .
# docs/deploy.md says what to set. Both run as the user 10001, and need no root.

ARG PYTHON=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON} AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
RUN python -m venv /opt/mtmd
ENV PATH=/opt/mtmd/bin:${PATH}

FROM base AS wheel
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY mtmd mtmd
COPY flows flows
COPY sql sql
COPY expectations expectations
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM base AS worker-packages
# A build of torch for the machine: for CUDA, --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 or another.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-deps --index-url "${TORCH_INDEX}" 'torch>=2.9'
# mtmd's extras, and other packages: PACKAGES=prefect-kubernetes for a pool of type kubernetes.
ARG EXTRAS=s3,postgres
ARG PACKAGES=
COPY constraints.txt /tmp/constraints.txt
COPY --from=wheel /wheels /wheels
RUN pip install --constraint /tmp/constraints.txt "$(ls /wheels/mtmd-*.whl)[${EXTRAS}]" ${PACKAGES}
# A server that may not write here shows no UI, unless its files are made now. V2 is left out: its pages ask a service on
# the internet, and no setting hides the banner that leads to it.
RUN python -c "import shutil, prefect; shutil.rmtree(prefect.__ui_v2_static_path__)" \
 && python -c "from prefect.server.api.server import create_ui_app; create_ui_app(ephemeral=False)"

FROM base AS service-packages
COPY constraints.txt deploy/service-packages.txt /tmp/
COPY --from=wheel /wheels /wheels
RUN pip install --constraint /tmp/constraints.txt --requirement /tmp/service-packages.txt \
 && pip install --no-deps /wheels/mtmd-*.whl

FROM service-packages AS demo
RUN mtmd init /srv/ads --name ads

# The project folder (`mtmd init`) of the images: the demo's, or yours, with `docker build --build-context project=my-ads`.
# The images name what they take of it: logs and artifacts would be pushed with the image.
FROM scratch AS project
COPY --from=demo /srv/ads /

# No program of the images writes to their own files; /data is for volumes.
FROM base AS common
RUN useradd --uid 10001 --user-group --create-home mtmd \
 && mkdir -p /data/logs /data/work /data/prefect && chown -R mtmd:mtmd /data
ENV MTMD_WORK=/data/work PREFECT_HOME=/data/prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 GX_ANALYTICS_ENABLED=false
WORKDIR /srv/ads

FROM common AS service
COPY --from=service-packages /opt/mtmd /opt/mtmd
COPY --from=project /*.toml ./
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
CMD ["mtmd", "serve", "--preset", "preset.toml", "--host", "0.0.0.0", "--port", "8080"]

FROM common AS worker
COPY --from=worker-packages /opt/mtmd /opt/mtmd
COPY --from=project /*.toml /prefect.yaml ./
COPY --from=project /sql sql
COPY --from=project /expectations expectations
COPY --from=project /automations automations
RUN ln -s /data/logs logs
USER 10001
CMD ["prefect", "worker", "start", "--pool", "local"]
