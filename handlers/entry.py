"""Where a server enters an archive: ``handle(data, context)``, called once with ``data=None`` to initialise.

A function and not a class, because both TorchServe and MMS take one, and MMS reports its failures.
"""

import faulthandler
import logging
from typing import Any, List, Optional

from handlers.base import Handler
from handlers.replies import is_mms
from handlers.settings import read_settings
from handlers.tasks import load_task


class Entry:
    handler: Optional[Handler] = None

    def __call__(self, data: Optional[List[Any]], context: Any) -> Optional[List[bytes]]:
        if self.handler is None:
            if "server_name" in context.system_properties:
                keep_quiet()
            settings = read_settings(context.system_properties.get("model_dir"))
            handler = load_task(settings["task"])()
            handler.initialize(context)
            self.handler = handler
        if data is None:
            return None
        if not is_mms(context):
            return self.handler.handle(data, context)
        # MMS counts response_timeout in minutes, and leaves the worker that hangs alone: so it ends itself.
        faulthandler.dump_traceback_later(self.handler.timeout_s, exit=True)
        try:
            return self.handler.handle(data, context)
        finally:
            faulthandler.cancel_dump_traceback_later()


def keep_quiet() -> None:
    """Ends the lines a batch that a server's worker writes for nobody; what TorchServe's metrics are read from stays.

    The whole process is the worker's; where there is no server, it is somebody's notebook.
    """
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("ts.metrics").setLevel(logging.INFO)


handle = Entry()
