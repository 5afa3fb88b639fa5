"""TorchServe as the model server: its command, its keys."""

from marina.management import KEY_FILE, Management, read_keys, torchserve_management
from marina.model_server import ModelServer, find_package
from marina.places import CONFIG, TORCH_STANDIN

METRICS = "metrics.yaml"


class TorchServe(ModelServer):
    """TorchServe 0.12, with its tokens on; it reads each model's settings from the archive itself."""

    name = "torchserve"
    title = "TorchServe"
    package = "ts"
    requirements = "serve.txt"
    main = "org.pytorch.serve.ModelServer"
    options = ("-ncs",)  # no snapshots
    properties = "torchserve.properties"
    takes_versions = True
    listens = ("inference", "management", "metrics", "grpc_inference", "grpc_management")
    ports_with_nginx = ("management", "metrics", "grpc_inference", "grpc_management")
    model_api = False  # whether models can be registered while it runs

    def forget(self) -> None:
        (self.folder / KEY_FILE).unlink(missing_ok=True)

    def more_properties(self) -> dict[str, object]:
        return {"model_api": str(self.model_api).lower(), "metrics_config": CONFIG / METRICS}

    def environment(self) -> dict[str, str]:
        environment = super().environment() | {"TS_DECODE_INPUT_REQUEST": "false"}
        if find_package(self.python, "torch") is None:
            environment["PYTHONPATH"] = str(TORCH_STANDIN)
        return environment

    def connect(self) -> Management | None:
        """The management API, once the server has written its keys."""
        try:
            return torchserve_management(self.folder, self.ports, self.sockets)
        except (OSError, ValueError, KeyError):
            return None

    def reload(self, management: Management, name: str) -> None:
        self.log.forget(name)
        management.scale(name, 0)
        management.scale(name, self.workers[name])

    def authorization(self) -> str:
        return f"Bearer {read_keys(self.folder)['inference']}"

    def management_authorization(self) -> str:
        return f"Bearer {read_keys(self.folder)['management']}"
