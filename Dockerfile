# One image for every process of picmend; which one runs is the container's command.

FROM python:3.11-slim AS build
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir uv
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH UV_CACHE_DIR=/var/cache/uv
WORKDIR /src
COPY requirements.lock .
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --link-mode=copy --require-hashes -r requirements.lock
COPY . .
RUN uv pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home picmend \
    && install -d -o picmend -g picmend /var/lib/picmend
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
USER picmend
WORKDIR /var/lib/picmend
CMD ["picmend", "--help"]
