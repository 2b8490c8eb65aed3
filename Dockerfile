# The commands of README's installation, in a container. It is not built by the project's tests.
#   docker build --tag glc . && docker run --rm --volume "$PWD/out:/glc/out" glc glc run votes --dataset virtual:small
FROM python:3.11-bookworm
WORKDIR /glc
COPY . .
RUN make venv
RUN make demo
ENV PATH="/glc/.venv/bin:$PATH"
CMD ["glc", "--help"]
