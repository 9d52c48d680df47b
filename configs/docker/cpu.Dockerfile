# A CPU node: data stages, smoke recipes, evaluation with verifiers. From the repository's root:
#   docker build -f configs/docker/cpu.Dockerfile -t repro:cpu .
#   docker run --rm -v "$PWD/runs:/repro/runs" repro:cpu repro filter source_ref_paths=... output_dir=...
FROM python:3.11-slim
# the compiler is for a part of reasoning-gym
RUN apt-get update && apt-get install -y --no-install-recommends build-essential git && rm -rf /var/lib/apt/lists/*
WORKDIR /repro
COPY . .
RUN bash scripts/setup.sh
ENV PATH=/repro/.venv/bin:$PATH VIRTUAL_ENV=/repro/.venv OMP_WAIT_POLICY=PASSIVE
# programs of other people are judged here: nobody in the container needs to be root
RUN useradd --create-home repro && chown -R repro /repro
USER repro
CMD ["repro"]
