# The first command of README, in a container. It is not built by the project's tests.
#   docker build --tag glc . && docker run --rm --volume "$PWD/out:/glc/out" glc glc run votes --dataset virtual:small
FROM python:3.13-slim
RUN apt-get update && apt-get install --yes --no-install-recommends make git && rm -rf /var/lib/apt/lists/*
WORKDIR /glc
COPY . .
RUN make demo
ENV PATH="/glc/.venv/bin:$PATH"
CMD ["glc", "--help"]
