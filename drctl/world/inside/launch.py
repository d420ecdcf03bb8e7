"""Starts MiniStack in this interpreter, mended. Run by `drctl.world.ministack` with MiniStack's own virtualenv.

Standard input is a lifeline and a command channel: each line goes to `Darkness.obey` or is an event of an AWS service
(service_events.py), and its end means that whoever
started us is gone, however that happened, so the whole process group (MiniStack and its functions) ends too.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
import threading

from drctl.world.inside.darkness import Darkness
from drctl.world.inside.deliveries import Queue
from drctl.world.inside.mends import MENDS, Setting
from drctl.world.inside.service_events import WORD, ServiceEvents

log = logging.getLogger("drctl.launch")


def listen(darkness: Darkness, events: ServiceEvents) -> None:
    for line in sys.stdin:
        try:
            (events.put if line.startswith(WORD) else darkness.obey)(line)
        except (ValueError, KeyError) as refused:
            log.warning("%s", refused)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lambda-python", required=True)
    parser.add_argument("--speed", type=float, required=True)
    parser.add_argument(
        "--unmended", action="store_true", help="MiniStack as it is; for the tests that watch its traps"
    )
    arguments = parser.parse_args()
    sys.argv = ["ministack"]  # MiniStack reads the command line too
    darkness = Darkness()
    app = importlib.import_module("ministack.app")
    scope = importlib.import_module("ministack.core.responses").request_scope
    events = ServiceEvents(importlib.import_module("ministack.services.eventbridge"), scope, darkness)
    threading.Thread(target=listen, args=(darkness, events), daemon=True, name="lifeline").start()
    if not arguments.unmended:
        queue = Queue(importlib.import_module("ministack.services.lambda_svc"), scope, darkness, arguments.speed)
        for mend in MENDS:
            mend.apply(Setting(arguments.lambda_python, arguments.speed, darkness, queue))
    app.main()


if __name__ == "__main__":
    main()
