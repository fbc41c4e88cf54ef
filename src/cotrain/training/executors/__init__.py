"""Where fits are made: each executor is a function of (jobs, setup, report), named here."""

EXECUTORS = {
    "local": "cotrain.training.executors.local:run",
    "ray": "cotrain.training.executors.ray:run",
    "slurm": "cotrain.training.executors.slurm:run",
}
