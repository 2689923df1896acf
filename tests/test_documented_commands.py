"""Every command of README and docs is run: one story, in a copy of this checkout, at the size of the tests.

A step is a documented command with smaller values: another preset, another day, another port. What runs is the
command itself. A command that is in the pages and not in the story fails `test_every_documented_command_is_run`.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.documented import Checkout, Step, checkout_in, documented_commands
from tests.flows.runs import LINE, ROOT, Run
from tests.sources.kuairand import conftest as kuairand

pytestmark = pytest.mark.slow

TINY = "--preset tiny"
PARAMETER = """--param preset='"tiny"'"""
HELD_OUT, NEXT = {"2026-01-25": "2026-01-21"}, {"2026-01-25": "2026-01-22"}
RANGE = {"2026-01-23": "2026-01-21", "2026-01-25": "2026-01-22"}
DEPLOYMENT = ".venv/bin/prefect deployment run"
NEWEST = {"20260125-0123456789": "$NEWEST"}
API = {":4200": ":$A_PORT"}
SERVER = {"--port 4200": "--port $A_PORT"}

PEERS = "it needs other libraries; tests/benchmarks/peers runs it where they are"
ENGINE = "no container engine: tests/deploy has tests of the files, docs/deploy.md says what was tried"
CLUSTER = "no cluster: likewise"
NOT_RUN = {  # a benchmark's own test runs its command, in its own process
    ".venv/bin/python -m benchmarks.train_throughput --threads 1": "tests/benchmarks/test_train_throughput.py",
    ".venv/bin/python -m benchmarks.step_profile --threads 1": "tests/benchmarks/test_step_profile.py",
    ".venv/bin/python -m benchmarks.growth --picture docs/growth.svg": "tests/benchmarks/test_growth.py",
    ".venv/bin/python -m benchmarks.per_slice --as-of 2026-01-25 --threads 1": "tests/benchmarks/test_per_slice.py",
    ".venv/bin/python -m benchmarks.ab_test --as-of 2026-01-25 --threads 1": "tests/benchmarks/test_ab_test.py",
    ".venv/bin/python -m benchmarks.ab_test --as-of 2026-01-25 --threads 1 --tables sharpness spread": "the same",
    ".venv/bin/python -m benchmarks.ab_seeds --as-of 2026-01-25 --threads 1 --keep 16 8 4": "test_ab_seeds.py there",
    (
        ".venv/bin/python -m benchmarks.data_sizes demo benchmarks/scale-paper-widths.toml --as-of 2026-01-25 --epochs "
        "1 3"
    ): "tests/benchmarks/test_data_sizes.py",
    ".venv/bin/mtmd simulate --preset demo --until 2026-01-25": "tests/jobs/test_simulation.py",
    ".venv/bin/mtmd simulate --preset scale --until 2026-01-25": "likewise",
    ".venv/bin/mtmd simulate --preset benchmarks/thirty-two.toml --until 2026-01-25": "likewise",
    (
        ".venv/bin/python -m benchmarks.data_sizes demo benchmarks/scale-paper-widths.toml benchmarks/thirty-two.toml "
        "--as-of 2026-01-25 --epochs 1 --threads 1 --picture docs/one-pass.svg"
    ): "tests/benchmarks/test_data_sizes.py",
    ".venv/bin/mtmd simulate --preset demo --until 2026-02-04 --days 71": "tests/jobs/test_simulation.py",
    (
        ".venv/bin/python -m benchmarks.data_sizes demo --as-of 2026-01-25 2026-01-30 2026-02-04 --window-days 24 "
        "40 60 --threads 1"
    ): "tests/benchmarks/test_data_sizes.py",
    ".venv/bin/python -m benchmarks.day_cost --as-of 2026-01-25 --threads 1": "tests/benchmarks/test_day_cost.py",
    ".venv/bin/python -m benchmarks.overhead --as-of 2026-01-25": "tests/benchmarks/test_overhead.py",
    ".venv/bin/python -m benchmarks.devices": "tests/benchmarks/test_devices.py",
    "pip install 'mtmd[dask]'": "the tests' environment has it",
    "dask scheduler": "tests/flows/test_runners.py has such a cluster in one process",
    "dask worker tcp://scheduler:8786 --nworkers 2 --nthreads 1": "likewise",
    "export MTMD_RUNNER=dask MTMD_CLUSTER=tcp://scheduler:8786": "likewise",
    ".venv/bin/python -m benchmarks.cluster --workers 1 2": "tests/benchmarks/test_cluster.py has its table, and "
    "tests/flows/test_runners.py what it runs",
    ".venv/bin/python -m benchmarks.bucket --as-of 2026-01-25": "tests/benchmarks/test_bucket.py",
    ".venv/bin/python -m tests.deploy.bucket_story": "it takes minutes; docs/buckets.md says what was seen",
    ".venv/bin/python -m benchmarks.extraction": "tests/benchmarks/test_extraction.py",
    ".venv/bin/python -m benchmarks.false_stops": "tests/benchmarks/test_false_stops.py",
    ".venv/bin/python -m benchmarks.quiet_monitor": "tests/benchmarks/test_quiet_monitor.py",
    ".venv/bin/python -m benchmarks.fitted_teacher": "tests/benchmarks/test_fitted_teacher.py",
    ".venv/bin/python -m benchmarks.seeds --as-of 2026-01-25 --threads 1": "tests/benchmarks/test_seeds.py",
    ".venv/bin/python -m benchmarks.seeds --preset kuairand --as-of 2022-04-30 --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.seeds --preset kuairand --as-of 2022-04-29 --threads 1": "likewise",
    (
        ".venv/bin/python -m benchmarks.seeds --preset kuairand --as-of 2022-04-28 --window-days 19 --threads 1"
    ): "likewise",
    (
        ".venv/bin/python -m benchmarks.seeds --preset benchmarks/demo-twenty.toml --as-of 2026-01-25 --threads 1"
    ): "likewise",
    ".venv/bin/python -m benchmarks.seeds --preset scale --as-of 2026-01-25 --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.seeds --preset histories --as-of 2026-01-25 --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.seeds --preset kuairand-histories --as-of 2022-04-30 --threads 1": "likewise",
    ".venv/bin/mtmd simulate --preset histories --until 2026-01-25": "tests/jobs/test_simulation.py",
    ".venv/bin/mtmd simulate --preset explored --until 2026-01-25": "likewise",
    ".venv/bin/python -m benchmarks.eligible demo explored --as-of 2026-01-25 --threads 1": "tests/benchmarks/"
    "test_eligible.py",
    ".venv/bin/mtmd import-kuairand --preset kuairand-histories --source /path/to/kuairand-pure": "the story's "
    "`make run-kuairand` imports; tests/sources/kuairand/test_histories.py has these columns",
    ".venv/bin/python -m benchmarks.feature_rates": "tests/benchmarks/test_feature_rates.py",
    ".venv/bin/python -m benchmarks.rates --preset kuairand --as-of 2022-04-30 --threads 1": (
        "tests/benchmarks/test_rates.py"
    ),
    ".venv/bin/python -m benchmarks.parameters": "tests/benchmarks/test_parameters.py",
    ".venv/bin/python -m benchmarks.parameters --preset kuairand": "likewise",
    ".venv/bin/python -m benchmarks.levels --as-of 2026-01-25 --threads 1": "tests/benchmarks/test_levels.py",
    ".venv/bin/python -m benchmarks.levels --preset kuairand --as-of 2022-04-30 --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.levels --preset kuairand --as-of 2022-04-29 --threads 1": "likewise",
    (
        ".venv/bin/python -m benchmarks.levels --preset kuairand --as-of 2022-04-28 --window-days 19 --threads 1"
    ): "likewise",
    (
        ".venv/bin/python -m benchmarks.teacher_change --preset kuairand --as-of 2022-04-30 --source "
        "/path/to/kuairand-pure --threads 1"
    ): "tests/benchmarks/test_teacher_change.py",
    (
        ".venv/bin/python -m benchmarks.teacher_change --preset kuairand --as-of 2022-04-29 --source "
        "/path/to/kuairand-pure --threads 1"
    ): "likewise",
    ".venv/bin/python -m benchmarks.warm_start --as-of 2026-01-25 --threads 1": "tests/benchmarks/test_warm_start.py",
    (
        ".venv/bin/python -m benchmarks.equal_cost --as-of 2026-01-25 --epochs 5 --variants experts_256_128_64 --more "
        "mtmd=10 experts_256_128_64=10 experts_256_128_64=20 pooled=10 pooled=15 pooled=30 per_slice=13"
    ): "tests/benchmarks/test_equal_cost.py",
    **{
        f".venv/bin/python -m benchmarks.equal_cost --as-of 2026-01-25 --seed {seed} --epochs --variants "
        "experts_256_128_64 --more experts_256_128_64=10 pooled=15": "tests/benchmarks/test_equal_cost.py"
        for seed in (1, 2)
    },
    (
        ".venv/bin/python -m benchmarks.equal_cost --preset benchmarks/demo-twenty.toml --as-of 2026-01-25 --epochs "
        "--more mtmd=20 pooled=20 pooled=27"
    ): "tests/benchmarks/test_equal_cost.py",
    (
        ".venv/bin/python -m benchmarks.equal_cost --as-of 2026-01-25 --epochs --more mtmd=10 deepctr-mmoe=6 "
        "deepctr-mmoe=8 rechub-mmoe=6 deepctr-ple=4 rechub-ple=4"
    ): PEERS,
    (
        ".venv/bin/python -m benchmarks.equal_cost --preset kuairand --as-of 2022-04-30 --epochs --more mtmd=8 mtmd=16 "
        "pooled=16 pooled=32 pooled=64 per_slice=16"
    ): "tests/benchmarks/test_equal_cost.py",
    (
        ".venv/bin/python -m benchmarks.equal_cost --preset kuairand --as-of 2022-04-30 --seed 1 --epochs --more "
        "mtmd=16 pooled=32 pooled=64"
    ): "likewise",
    (
        ".venv/bin/python -m benchmarks.equal_cost --preset kuairand --as-of 2022-04-30 --seed 2 --epochs --more "
        "mtmd=16 pooled=32 pooled=64"
    ): "likewise",
    (
        ".venv/bin/python -m benchmarks.equal_cost --preset explored --as-of 2026-01-25 --epochs --variants "
        "experts_256_128_64 --more mtmd=10 experts_256_128_64=10 experts_256_128_64=18 pooled=10 pooled=22 "
        "per_slice=10 deepctr-mmoe=2 deepctr-ple=2"
    ): PEERS,
    (
        ".venv/bin/python -m benchmarks.equal_cost --preset explored --as-of 2026-01-25 --seed 0 --epochs --variants "
        "experts_256_128_64 --more experts_256_128_64=10 pooled=12 pooled=13"
    ): "tests/benchmarks/test_equal_cost.py",
    (
        ".venv/bin/python -m benchmarks.equal_cost --preset explored-small-batch.toml --as-of 2026-01-25 --epochs "
        "--more deepctr-mmoe=5 --learning-rate deepctr-mmoe=4e-3 --widths 256 128 64"
    ): PEERS,
    (
        ".venv/bin/python -m benchmarks.equal_cost --as-of 2026-01-25 --epochs --variants experts_256_128_64 --more "
        "mtmd=10 experts_256_128_64=20 deepctr-mmoe=12 deepctr-mmoe=14 --learning-rate deepctr-mmoe=8e-3 --widths 256 "
        "128 64"
    ): PEERS,
    ".venv/bin/mtmd simulate --preset benchmarks/many-candidates.toml --until 2026-01-25": (
        "tests/jobs/test_simulation.py"
    ),
    (
        ".venv/bin/python -m benchmarks.equal_cost --preset benchmarks/many-candidates.toml --as-of 2026-01-25 "
        "--epochs --variants experts_256_128_64 --more experts_256_128_64=6 experts_256_128_64=12 mtmd=6 pooled=7 "
        "pooled=14 per_slice=6 deepctr-mmoe=1"
    ): PEERS,
    ".venv/bin/python -m benchmarks.bootstrap": "tests/benchmarks/test_bootstrap.py",
    (
        ".venv/bin/python -m mtmd.flows.ablation --as-of 2026-01-25 --names no_shallow no_task_shared "
        "no_domain_shared no_routing post_norm raw_numbers ctr_weight_1 unconstrained"
    ): "the story has it with other names",
    (
        ".venv/bin/python -m mtmd.flows.ablation --preset explored-five.toml --as-of 2026-01-25 --seeds 0 1 2 3 4 "
        "--names no_domain_adaptation no_dcn post_norm ctr_weight_1 unconstrained"
    ): "the story has it with other names, and with the preset tiny",
    (
        ".venv/bin/python -m mtmd.flows.ablation --preset explored-five.toml --as-of 2026-01-25 --seeds 0 1 2 "
        "--names no_normalisation raw_numbers"
    ): "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/demo.toml": "tests/benchmarks/test_tune.py",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand.toml": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/paper.toml": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/ranks.toml": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/scale.toml": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/scale-passes.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/sizes.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/sizes-kuairand.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand-epochs.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/one-pass-demo.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/one-pass-scale.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand-ids.toml --threads 1": "likewise",
    (
        ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand-ids.toml --as-of 2022-04-28 --window-days 19 "
        "--threads 1"
    ): "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand-buckets.toml --threads 1": "likewise",
    (
        ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand-buckets.toml --as-of 2022-04-28 "
        "--window-days 19 --threads 1"
    ): "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand-long.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/windows.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand-carries.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/explored-epochs.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/kuairand-next-day.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/demo-epochs.toml --threads 1": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/consistency.toml": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/consistency-demo.toml": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/distillation.toml": "likewise",
    ".venv/bin/python -m benchmarks.tune benchmarks/searches/distillation-demo.toml": "likewise",
    ".venv/bin/python -m benchmarks.tune my-search.toml": "likewise",
    ".venv/bin/python -m benchmarks.soak --home soak": "tests/flows/test_deployments.py runs a night of it on the "
    "tests' platform; tests/benchmarks/test_soak.py",
    ".venv/bin/python -m benchmarks.memory": "tests/benchmarks/test_memory.py",
    ".venv/bin/python -m benchmarks.index_pages artifacts/demo": "tests/benchmarks/test_index_pages.py",
    ".venv/bin/python -m benchmarks.serving": "tests/benchmarks/test_serving.py",
    ".venv/bin/mtmd publish --model 20260125-0123456789": "tests/test_cli.py",
    ".venv/bin/mtmd serve --shadow newest --shadow-share 0.1": "tests/serve/http/test_shadow.py",
    ".venv/bin/mtmd shadow": "tests/inspect/test_shadow.py",
    "mtmd shadow": "likewise",
    ".venv/bin/python -m benchmarks.service_tail": "tests/benchmarks/test_service_tail.py",
    ".venv/bin/python -m benchmarks.service_load": "tests/benchmarks/test_service_load.py",
    ".venv/bin/python -m benchmarks.service": "tests/benchmarks/test_service.py",
    ".venv/bin/python -m benchmarks.served_scores": "tests/benchmarks/test_served_scores.py",
    "make audit": "it needs the internet; tests/deploy/test_audit.py",
    "cp .env.example .env && ${EDITOR:-vi} .env": ENGINE,
    "mkdir -p logs/ads && sudo chown 10001 logs/ads": ENGINE,
    "docker compose build": ENGINE,
    "docker compose up --detach": ENGINE,
    "docker compose up --detach --wait server": ENGINE,
    "docker compose run --rm worker mtmd simulate --until 2026-01-25": ENGINE,
    "docker compose run --rm worker mtmd run --as-of 2026-01-25 --no-ablations": ENGINE,
    "docker build --target worker --build-context project=my-ads --tag mtmd-worker .": ENGINE,
    "docker build --target service --build-context project=my-ads --tag mtmd-service .": ENGINE,
    "docker build --target worker --build-arg PACKAGES=prefect-kubernetes --tag registry.exampl"
    "e.com/mtmd-worker:1 .": ENGINE,
    "docker build --target service --tag registry.example.com/mtmd-service:1 .": ENGINE,
    "docker push registry.example.com/mtmd-worker:1 && docker push registry.example.com/mtmd-se"
    "rvice:1": ENGINE,
    "kubectl create namespace mtmd": CLUSTER,
    "kubectl create secret generic mtmd-database --namespace mtmd --from-file=url=database-url.txt": CLUSTER,
    "kubectl create secret generic mtmd-store --namespace mtmd --from-env-file=store.env": CLUSTER,
    "kubectl create secret generic mtmd-api-keys --namespace mtmd --from-file=MTMD_API_KEYS=key"
    "s.txt": CLUSTER,
    "kubectl apply -k deploy/kubernetes": CLUSTER,
    "kubectl port-forward --namespace mtmd service/prefect-server 4200": CLUSTER,
    ".venv/bin/pip install prefect-docker": "it downloads",
    ".venv/bin/python -m tests.deploy.rehearsal": "it takes minutes; docs/deploy.md has its last output",
    ".venv/bin/prefect worker start --pool docker": ENGINE,
    ".venv/bin/python -m benchmarks.scale_cost": "tests/benchmarks/test_scale_cost.py",
    ".venv/bin/python -m benchmarks.scale_cost --rows-per-day 2e6 --days 24 --epochs 10": "likewise",
    ".venv/bin/python -m benchmarks.scale_rates --factors 1 4 --threads 1": "tests/benchmarks/test_scale_rates.py",
    "make test": "it runs these tests",
    "make faults": "tests/faults/test_faults.py tries some of them",
    "export MTMD_ARTIFACTS=s3://ads-models/team": "tests/test_bucket_line.py",
    "mtmd init my-ads": "tests/project/test_wheel.py",
    "mtmd init": "tests/project/test_wheel.py",
    "mtmd init my-ads --from-logs FOLDER": "tests/project/test_wheel.py, as their-ads",
    "mtmd run --as-of 2026-01-11 --no-ablations": "tests/project/test_wheel.py",
    "prefect work-queue set-concurrency-limit background 1 --pool local": "likewise, in the story below",
    "mtmd init their-ads --from-logs their-logs": "tests/project/test_wheel.py",
    "mtmd run": "tests/project/test_wheel.py",
    "make run PRESET=tiny": "the story's `make run` has it",
    "cd my-ads": "tests/project/test_wheel.py",
    "mtmd simulate --until 2026-01-25": "tests/project/test_wheel.py",
    "mtmd check": "tests/project/test_wheel.py",
    "mtmd fit-teacher --preset raw.toml --output logs/taught": "tests/project/test_teacher_command.py",
    "mtmd --install-completion": "it changes the shell's own files; tests/test_cli.py completes",
    "mtmd schema > preset.schema.json": "tests/project/test_schema.py",
    "mtmd config": "tests/project/test_resolved.py",
    "mtmd run --as-of 2026-01-25 --no-ablations": "tests/project/test_wheel.py",
    "prefect work-pool create local --type process": "tests/project/test_wheel.py",
    "prefect --no-prompt deploy --all": "tests/project/test_wheel.py",
    "mtmd automations": "tests/project/test_wheel.py",
    "prefect worker start --pool local": "tests/project/test_wheel.py has its deployments",
    "pip install dist/mtmd-0.1.0-py3-none-any.whl": "tests/project/test_wheel.py",
    ".venv/bin/mtmd mirror": "tests/mirrors/test_command.py",
    "export MLFLOW_TRACKING_URI=https://mlflow.internal": "tests/mirrors/test_mlflow_server.py",
    "export OPENLINEAGE_URL=https://marquez.internal": "tests/mirrors/test_outbox.py",
    'export OPENLINEAGE__TRANSPORT=\'{"type": "file", "log_file_path": "/var/log/mtmd/lineage.ndjson", '
    '"append": true}\'': "likewise",
    "pip install 'mtmd[mlflow,openlineage]'": "it downloads; tests/mirrors has tests for where the two are installed",
    "make docs": "it downloads what builds the site; tests/test_docs.py checks the links without it",
    ".venv/bin/python -m benchmarks.retraining --as-of 2026-01-25 --threads 1": "tests/benchmarks/test_retraining.py",
    ".venv/bin/python -m benchmarks.peers --as-of 2026-01-25 --threads 1": PEERS,
    ".venv/bin/python -m benchmarks.peers --as-of 2026-01-25 --without-own --threads 1 --learning-rate "
    "rechub-two-tower=1e-3 rechub-mmoe=2e-3 rechub-ple=2e-3 deepctr-mmoe=2e-3 deepctr-ple=2e-3": PEERS,
    ".venv/bin/python -m benchmarks.peers --preset kuairand --as-of 2022-04-30 --threads 1 --learning-rate "
    "rechub-mmoe=1e-3 rechub-ple=2e-3 rechub-two-tower=5e-4 deepctr-mmoe=2e-3 deepctr-ple=2e-3": PEERS,
    "export PREFECT_SERVER_DATABASE_CONNECTION_URL="
    '"postgresql+asyncpg://prefect:${PGPASSWORD}@db.internal:5432/prefect"': "tests/flows/test_postgresql.py",
}
SHORT_FORMS = {  # named in a sentence; the whole command is in the story
    "make up PRESET=…": "make up",
    "make run PRESET=scale": "make run",  # half an hour
    "make run-kuairand SOURCE=…": "make run-kuairand SOURCE=/path/to/kuairand-pure",
    "mtmd status": ".venv/bin/mtmd status",
    "mtmd show": ".venv/bin/mtmd show champion",
    "mtmd publish": ".venv/bin/mtmd publish",
    "mtmd serve": "make serve",
    "mtmd reinstate": '.venv/bin/mtmd reinstate 20260125-0123456789 --reason "it was the logs"',
    "mtmd rollback": '.venv/bin/mtmd rollback --reason "bad conversions"',
}

REINSTATE = Step(
    '.venv/bin/mtmd reinstate 20260125-0123456789 --reason "it was the logs"',
    swap=NEWEST,
    add=TINY,
    says="may be promoted again",
)

IN_A_TERMINAL = (
    Step("make run", add="PRESET=tiny AS_OF=2026-01-21", says="promoted", live="2026-01-21"),
    Step(
        "make run AS_OF=2026-01-26",
        swap={"2026-01-26": "2026-01-22"},
        add="PRESET=tiny",
        says="promoted",
        live="2026-01-22",
        on_server=True,
    ),
    Step(".venv/bin/mtmd status", add=TINY, says=r"as_of +2026-01-22"),
    Step(".venv/bin/mtmd runs", add=TINY, says=r"2026-01-22 .* promoted +20260122-[0-9a-f]{10}"),
    Step(".venv/bin/mtmd show champion", add=TINY, says=r"20260122-[0-9a-f]{10} \(live\)"),
    Step(
        ".venv/bin/mtmd show 20260125-0123456789",
        swap=NEWEST,
        add=TINY,
        says=r"gate parity +passed: scores differ by at most",
    ),
    Step(
        ".venv/bin/mtmd compare 20260125-0123456789 champion",
        swap={"20260125-0123456789": "20260121"},
        add=TINY,
        says="A on held-out day 2026-01-21, B on 2026-01-22: the days differ",
    ),
    Step(".venv/bin/mtmd index", says=r"/artifacts/index\.html"),
    Step(
        '.venv/bin/mtmd rollback --reason "bad conversions"',
        add=TINY,
        says=r"was taken down; 20260121-.* is live again[^$]*"
        r" ads of 2026-01-23 are published for 20260121-[0-9a-f]{10}: [1-9]\d* embedded, \d+ copied",
        live="2026-01-21",
    ),
    Step(
        ".venv/bin/mtmd publish",
        add=TINY,
        says=r"ads of 2026-01-23 are published for 20260121-[0-9a-f]{10}: reused",
    ),
    Step(
        ".venv/bin/mtmd export-embeddings --output features.parquet",
        add=TINY,
        says=r"ads of 2026-01-23, embedded by 20260121-[0-9a-f]{10}, are in features.parquet",
    ),
    Step(
        "make serve",
        add="PRESET=tiny SERVE_PORT=0",
        says=r"serving 20260121-[0-9a-f]{10} with the ads of 2026-01-23",
        serves=True,
    ),
    Step(
        ".venv/bin/mtmd publish --day 2026-01-24",
        swap={"2026-01-24": "2026-01-21"},
        add=TINY,
        says=r"ads of 2026-01-21 are published for 20260121-[0-9a-f]{10}: reused",
    ),
    Step(
        ".venv/bin/mtmd simulate --until 2026-01-25 --days 27",
        swap={"2026-01-25 --days 27": "2026-01-24 --days 1"},
        add=TINY,
        says="1 days are new",
    ),
    Step(
        ".venv/bin/python -m mtmd.flows.daily_retrain --preset my-preset.toml --as-of 2026-01-25 --logs /path/to/logs",
        swap={**HELD_OUT, "/path/to/logs": "logs/tiny"},
        add="--no-ablations",
        says="trained models 3 of 3",
        on_server=True,
    ),
)
BESIDE = (  # these only read what was trained, or have a line of models of their own
    Step(
        "make run-kuairand SOURCE=/path/to/kuairand-pure",
        swap={"/path/to/kuairand-pure": "kuairand-pure"},
        add="PRESET=tiny-kuairand.toml",
        says="20220430-[0-9a-f]{10}: promoted nothing",
        on_server=True,
    ),
)
ON_THE_PLATFORM = (
    Step(
        "make up",
        add="PRESET=tiny PORT=$A_PORT REPORTS_PORT=$ANOTHER_PORT",
        says=r"preset: tiny[^$]*UI: http://127\.0\.0\.1:",
    ),
    Step("export PREFECT_API_URL=http://127.0.0.1:4200/api", swap=API),
    REINSTATE,
    # What need not wait for another: the worker runs them side by side.
    Step(
        f"""{DEPLOYMENT} daily-retrain/daily-retrain --param as_of='"2026-01-25"'""",
        swap=NEXT,
        add=f"{PARAMETER} --param ablations=false",
    ),
    Step(
        f"""{DEPLOYMENT} monitor/monitor --param as_of='"2026-01-25"'""",
        swap={"2026-01-25": "2026-01-23"},
        add=PARAMETER,
    ),
    Step(
        f"""{DEPLOYMENT} ablation/ablation --param as_of='"2026-01-25"' --param seeds='[0, 1, 2]'""",
        swap={**HELD_OUT, "[0, 1, 2]": "[0]"},
        add=f"""{PARAMETER} --param names='["no_dcn"]'""",
    ),
    Step(
        f"""{DEPLOYMENT} ab-test/ab-test --param as_of='"2026-01-25"'""",
        swap=HELD_OUT,
        add=f"{PARAMETER} --param samples=5 --param requests=60",
    ),
    Step(
        ".venv/bin/python -m mtmd.flows.ab_test --as-of 2026-01-25",
        swap=HELD_OUT,
        add=f"{TINY} --samples 5 --requests 60",
        says="Table 2, by surface: mtmd against per_slice",
    ),
    Step(
        ".venv/bin/python -m mtmd.flows.ablation --as-of 2026-01-25 --names no_domain_adaptation no_dcn "
        "no_normalisation downsampling emb_64 emb_48 emb_32",
        swap={
            **HELD_OUT,
            "no_domain_adaptation no_dcn no_normalisation downsampling emb_64 emb_48 emb_32": "no_dcn",
        },
        add=f"{TINY} --seeds 0",
        says="DCN V2",
    ),
    Step(
        f"""{DEPLOYMENT} backfill/backfill --param first='"2026-01-23"' --param last='"2026-01-25"'"""
        " --param dry_run=true",
        swap=RANGE,
        add=PARAMETER,
        awaits=True,
        live="2026-01-22",
    ),
    Step(
        '.venv/bin/mtmd rollback --reason "bad conversions" --model 20260125-0123456789',
        swap={"20260125-0123456789": "$LIVE"},
        add=TINY,
        says="was taken down; 20260121-.* is live again",
        live="2026-01-21",
    ),
    REINSTATE,
    Step(
        f"""{DEPLOYMENT} daily-retrain/daily-retrain --param as_of='"2026-01-25"' --param override='"known holiday"'""",
        swap=NEXT,
        add=f"{PARAMETER} --param ablations=false",
    ),
    Step(
        f"{DEPLOYMENT} clean-up/clean-up --param dry_run=true", add=PARAMETER, awaits=True, live="2026-01-22"
    ),
    Step(f"""{DEPLOYMENT} rollback/rollback --param reason='"bad conversions"'""", add=PARAMETER),
    Step(
        f"""{DEPLOYMENT} backfill/backfill --param first='"2026-01-23"' --param last='"2026-01-25"'"""
        """ --param reprocess='"failed"'""",
        swap=RANGE,
        add=PARAMETER,
    ),
    Step(
        f"{DEPLOYMENT} clean-up/clean-up --param dry_run=false", add=PARAMETER, awaits=True, live="2026-01-21"
    ),
    Step("make down", says=r"worker: stopped[^$]*server: stopped"),
)
ON_A_SHARED_SERVER = (
    Step('export PROJECT_ROOT="$PWD" PREFECT_API_URL=http://127.0.0.1:4200/api', swap=API),
    Step("export PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1"),
    Step("export PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER=P7D"),
    Step(
        "export PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect.server.concurrency.lease_storage.filesystem"
    ),
    Step(
        ".venv/bin/prefect server start --host 127.0.0.1 --port 4200",
        swap=SERVER,
        serves=True,
        answers="/health",
    ),
    Step("export MTMD_REPORTS_URL=https://reports.internal/mtmd"),
    Step(".venv/bin/prefect work-pool create local --type process", says="Created work pool"),
    Step(
        ".venv/bin/prefect variable set mtmd_preset explored --overwrite",
        swap={"explored": "tiny"},
        says="Set variable",
    ),
    Step(".venv/bin/prefect --no-prompt deploy --all", says="daily-retrain/daily-retrain"),
    Step(".venv/bin/prefect work-queue set-concurrency-limit background 1 --pool local"),
    Step(".venv/bin/mtmd automations", says="mtmd-crash-zombies: created"),
    Step(
        ".venv/bin/prefect work-pool create docker --type docker --base-job-template deploy/docker/work-pool.json",
        says="Created work pool",
    ),
    Step(".venv/bin/prefect worker start --pool local", serves=True, says="Worker '.*' started"),
    Step(
        f"""{DEPLOYMENT} simulate-day/simulate-day --param as_of='"2026-01-25"' --param days=27""",
        swap={"days=27": "days=1"},
        add=PARAMETER,
        awaits=True,
    ),
)
STORY = (*IN_A_TERMINAL, *ON_THE_PLATFORM, *ON_A_SHARED_SERVER, *BESIDE)


def test_every_documented_command_is_run() -> None:
    run = {step.command for step in STORY}
    documented = documented_commands()
    assert {
        one: page for one, page in documented.items() if one not in run | set(NOT_RUN) | set(SHORT_FORMS)
    } == {}
    assert (run | set(NOT_RUN) | set(SHORT_FORMS)) - set(documented) == set()
    assert set(SHORT_FORMS.values()) <= run


@pytest.fixture(scope="module")
def checkout(
    first_run: Run,
    next_day: Run,
    prefect_server: str,
    new_prefect_home: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Checkout]:
    """With the logs and the trained models of the tests' two days, and nothing promoted."""
    root = tmp_path_factory.mktemp("documented") / "checkout"
    checkout = checkout_in(root, prefect_server)
    shutil.copytree(next_day.logs, root / "logs" / "tiny")
    shutil.copytree(next_day.root, root / "artifacts" / LINE)
    _forget_champion(root / "artifacts")
    shutil.copy(ROOT / "mtmd" / "config" / "presets" / "tiny.toml", root / "my-preset.toml")
    (root / "tiny-kuairand.toml").write_text(_tiny_kuairand())
    new_prefect_home(
        root / ".prefect"
    )  # not .platform: no other test has `make up` on SQLite made from nothing
    made_up = kuairand.MadeUp(root / "kuairand-pure")
    midnight = kuairand.MIDNIGHT - 8 * kuairand.DAY  # of 2022-04-10
    rows = kuairand.random_rows(days=21, per_day=40, midnight=midnight)
    made_up.write([row for row in rows if row["tab"] in {0, 1}])
    try:
        yield checkout
    finally:
        checkout.end()


def _forget_champion(artifacts: Path) -> None:
    for name in ("champion.json", "history.jsonl"):
        (artifacts / LINE / name).unlink()


@pytest.fixture(scope="module")
def beside(checkout: Checkout) -> Iterator[dict[str, "Future[None]"]]:
    """Started early and one after the other, on the core that the story leaves idle."""
    terminal = checkout.beside()
    with ThreadPoolExecutor(1) as pool:
        yield {step.command: pool.submit(terminal.take, step) for step in BESIDE}


@pytest.mark.parametrize("step", STORY, ids=lambda step: step.command)
def test_a_documented_command_runs(step: Step, checkout: Checkout, beside: dict[str, "Future[None]"]) -> None:
    """After the steps before it."""
    if step.command in beside:
        beside[step.command].result()
    else:
        checkout.take(step)


def _tiny_kuairand() -> str:
    """KuaiRand's preset with the widths of the tests, two of its surfaces and less in its graphs."""
    text = (ROOT / "mtmd" / "config" / "presets" / "kuairand.toml").read_text()
    surfaces = '"tab_1", "tab_0", "tab_4", "tab_6", "tab_2"'
    assert text.count(surfaces) == 1
    text = text.replace(surfaces, '"tab_1", "tab_0"')
    experts = "expert_widths = [256, 128, 64]\n"
    assert text.count(experts) == 1
    text = text.replace(experts, "expert_widths = [32, 16]\n")
    model = "shallow_widths = [4]\nrouter_widths = [4]\n"
    model += 'adaptation = "shared"\nnorm = "none"\ncross_layers = 0\n'  # export takes as long as its graphs are large
    rival = "widths = [16]\nembedding = 8\n"
    for section, values in (
        ("[model]", model),
        ("[training]", 'precision = "float32"\n'),
        ("[rivals.per_slice]", rival),
        ("[rivals.pooled]", rival),
    ):
        assert text.count(f"\n{section}\n") == 1
        text = text.replace(f"\n{section}\n", f"\n{section}\n{values}")
    assert "\nepochs = 16\n" in text
    return text.replace("\nepochs = 16\n", "\nepochs = 1\n")
