#!/bin/sh
# Create a virtual environment; says what is missing on a bare Debian or Ubuntu, and installs it as root.
set -eu
python=$1
venv=$2
if [ -z "$python" ]; then
    echo "There is no python3. Install it: apt-get install python3 python3-venv" >&2
    exit 2
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$python is older than Python 3.11. Name a newer one: make demo PYTHON=/path/to/python3.11" >&2
    exit 2
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" -ne 0 ]; then
        echo "Python's venv module is missing. Install it: sudo apt-get install $package" >&2
        exit 2
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >&2
fi
"$python" -m venv "$venv"
