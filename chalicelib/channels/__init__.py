"""One file per place people are told. A broken channel is recorded and never stops recovery."""
