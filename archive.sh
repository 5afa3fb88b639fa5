#!/bin/sh
# Builds every model's archive into model_store/, or those that are named.
exec "$(dirname "$0")/.venv/bin/marina" archive "$@"
