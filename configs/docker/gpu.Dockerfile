# A GPU node: vLLM, DeepSpeed and the kernels of the extra `gpu`, and what evaluation and training use. Not built by the project's own tests.
#   docker build -f configs/docker/gpu.Dockerfile -t repro:gpu .
#   docker run --rm --gpus all --ipc=host -v "$PWD/runs:/repro/runs" repro:gpu repro rl configs/rl/...
# DeepSpeed builds its optimizers with the compiler of a CUDA development image, whose version has to be that of torch's
# own packages: CUDA 13.0 for torch 2.13. Rollouts need --ipc=host.
FROM nvidia/cuda:13.0.1-devel-ubuntu24.04
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential git python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /venv
ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv
WORKDIR /repro
COPY . .
RUN pip install --no-cache-dir -e ".[gpu,eval,instructions,gym,lora,sandbox,track]"
RUN useradd --create-home repro && chown -R repro /repro
USER repro
CMD ["repro"]
