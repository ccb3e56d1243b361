#!/usr/bin/env bash
# Install Horovod beside the TensorFlow of a Python environment: build.sh PYTHON [gloo|mpi] [cuda]
#
# Horovod's last release, 0.28.1, is source only, and a wheel serves one version of Python and of TensorFlow. It is built
# once (minutes) and kept in ~/.cache/hcskit/horovod, or under XDG_CACHE_HOME, for every later installation (seconds).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=$1
transport=${2:-gloo}
gpu=${3:-}
key=$("$python" -c 'import importlib.metadata as installed, sys, sysconfig; print(
    sys.implementation.cache_tag, sysconfig.get_platform(), "tensorflow", installed.version("tensorflow"), sep="-")')
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hcskit/horovod/$key-$transport${gpu:+-$gpu}

case $gpu in
  "" | cuda) ;;
  *)
    echo "Horovod cannot be built for GPU=$gpu; the choices are GPU=cuda, and none" >&2
    exit 1
    ;;
esac

refuse_without_cuda() {
  local nvcc=${HOROVOD_CUDA_HOME:+$HOROVOD_CUDA_HOME/bin/}nvcc
  if ! command -v "$nvcc" >/dev/null; then
    echo "A Horovod for GPUs is built with NVIDIA's compiler, and there is no $nvcc: install the CUDA toolkit of the version" \
         "that TensorFlow was built for (tf.sysconfig.get_build_info), and set HOROVOD_CUDA_HOME to its folder." >&2
    exit 1
  fi
  for header in "${HOROVOD_NCCL_INCLUDE:-${HOROVOD_NCCL_HOME:-/usr}/include}" "$(dirname "$(command -v "$nvcc")")/../include"; do
    [ ! -e "$header/nccl.h" ] || return 0
  done
  echo "A Horovod for GPUs exchanges gradients through NCCL, and there is no nccl.h: install it (libnccl-dev in NVIDIA's" \
       "packages for Debian and Ubuntu), or set HOROVOD_NCCL_HOME to its folder." >&2
  exit 1
}

refuse_without_compiler() {
  local missing=()
  command -v "${CXX:-g++}" >/dev/null || missing+=(g++)
  command -v cmake >/dev/null || missing+=(cmake)
  command -v make >/dev/null || missing+=(make)
  [ "$transport" = gloo ] || command -v mpicxx >/dev/null || missing+=(libopenmpi-dev openmpi-bin)
  [ "${#missing[@]}" -gt 0 ] || return 0
  echo "Training with several ranks, and its tests, need Horovod, which is built from source; this machine lacks what" \
       "that takes: apt-get install ${missing[*]} (Debian, Ubuntu). All else works without it." >&2
  exit 1
}

build() {
  local include partial=$cache.$$
  mkdir -p "$partial"
  work=$(mktemp -d)
  trap 'rm -r "$work"' EXIT
  # Through a link, as Horovod's build cuts the paths of TensorFlow at their spaces.
  ln -s "$("$python" -c 'import sys; print(sys.prefix)')" "$work/environment"
  ln -s "$here/include" "$work/include"
  python=$work/environment/bin/python
  include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tensorflow/include
  # Headers that TensorFlow has moved since Horovod's last release: our forwarding one, and two folders of its own.
  export CPLUS_INCLUDE_PATH=$work/include:$include/external/highwayhash:$include/external/farmhash_archive/src
  export HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 HOROVOD_WITH_GLOO=1
  if [ "$transport" = mpi ]; then export HOROVOD_WITH_MPI=1; else export HOROVOD_WITHOUT_MPI=1; fi
  [ -z "$gpu" ] || export HOROVOD_GPU=CUDA HOROVOD_GPU_OPERATIONS=NCCL
  export CMAKE_POLICY_VERSION_MINIMUM=3.5 # CMake 4 refuses projects as old as Gloo, unless told that they mean this one
  MAKEFLAGS=-j$(nproc)
  export MAKEFLAGS
  echo "Building Horovod for $key-$transport${gpu:+-$gpu}: once, some minutes; output in $partial/build.log"
  "$python" -m pip wheel --quiet --disable-pip-version-check --require-hashes --no-deps --no-binary :all: \
    --use-pep517 --no-build-isolation --wheel-dir "$partial" -r "$here/requirements.txt" >"$partial/build.log" 2>&1 || {
    tail -n 40 "$partial/build.log" >&2
    exit 1
  }
  mv -T "$partial" "$cache" 2>/dev/null || rm -r "$partial" # another build of the same was faster
}

if [ ! -d "$cache" ]; then
  refuse_without_compiler
  [ -z "$gpu" ] || refuse_without_cuda
  (build) # which points at the environment through a link of its own
fi
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall "$cache"/horovod-*.whl
