#!/bin/sh
# build-image.sh FOLDER --tag IMAGE: how this team builds an image.
set -eu
docker build --tag "$3" "$1"
