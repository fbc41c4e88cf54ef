# The service of kept models: docker build --tag cotrain . && docker run --publish 127.0.0.1:8000:8000 --volume MODELS:/models:ro cotrain
FROM python:3.13-slim

WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
# torch for the CPU, a tenth of the size; for a GPU leave out its index and start with --gpus all. That index has few versions of what
# torch needs, so that comes with the rest
RUN pip install --no-cache-dir --no-deps --constraint constraints.txt --index-url https://download.pytorch.org/whl/cpu torch \
 && pip install --no-cache-dir --constraint constraints.txt ".[train,serve]" \
 && rm -rf /build \
 && useradd --create-home cotrain

USER cotrain
WORKDIR /home/cotrain
# nothing is fetched: models are whole
ENV HF_HUB_OFFLINE=1
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["cotrain"]
CMD ["serve", "/models", "--host", "0.0.0.0"]
