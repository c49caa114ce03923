# Functions that the steps of .ci/run share: the tools and builds that they need, and the
# processes that they start. Other files set variables that this one reads, and read those that it
# sets.
# shellcheck shell=bash disable=SC2034,SC2154

# ---------------------------------------------------------------- what steps need

# Each step calls the need_… functions for what it uses, so that it also works when it runs
# alone. Their work is done once per run.
declare -A satisfied

# once COMMAND…: runs the command unless the run has already done so.
once() {
  if [[ -z ${satisfied[$*]:-} ]]; then
    "$@"
    satisfied[$*]=1
  fi
}

# cached NAME COMMAND…: sets folder to a folder of the cache. If its content is not complete, the
# command makes it first. The stamp is written last, so that an interrupted installation is not
# mistaken for a complete one, and the lock keeps other runs away.
cached() {
  folder=$cache/$1
  shift
  mkdir --parents "$cache"
  {
    if ! flock --nonblock 9; then
      echo "Waiting for another run, which installs ${folder##*/}…"
      flock 9
    fi
    if [[ ! -e $folder/.complete ]]; then
      echo "Installing ${folder##*/} in $cache…"
      rm --recursive --force "$folder"
      "$@"
      touch "$folder/.complete"
    fi
  } 9>"$folder.lock"
}

# need_cargo_tool NAME VERSION: a subcommand of Cargo; sets tool to its path.
need_cargo_tool() {
  cached "$1-$2" install_cargo_tool "$1@$2"
  tool=$folder/bin/$1
}

install_cargo_tool() {
  # Without the project's target folder, Cargo builds the tool in a temporary one.
  env --unset=CARGO_TARGET_DIR cargo install --quiet --locked --root "$folder" "$1"
}

# need_venv NAME REQUIREMENTS…: a Python environment; sets folder to it. The name of the folder
# contains a hash of the files and of the interpreter, so a file that another one includes must
# be in the list too.
need_venv() {
  local name=$1 key
  shift
  key=$({ python3 -c 'import sys; print(sys.version, sys.base_prefix)' && cat "$@"; } | sha256sum)
  cached "$name-${key:0:16}" install_venv "$@"
}

install_venv() {
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet "${@/#/--requirement=}"
}

# Python with the packages that most steps use, cfn-lint, sam and cargo-lambda in PATH.
need_python_tools() {
  once put_python_tools_in_path
}

put_python_tools_in_path() {
  need_venv python-tools .ci/requirements.txt tests/template/requirements.txt tests/foreign/requirements.txt
  export PATH=$folder/bin:$PATH
}

# The command line, at $target/debug/relatch.
need_relatch() {
  # The workspace has no examples. With this flag Cargo chooses the same features of the
  # dependencies as for the tests, so that it does not build them twice.
  once cargo build --workspace --locked --bin relatch --examples
}

# The release binaries, in $target/lambda.
need_lambda_build() {
  need_python_tools
  # The host's own linker serves the host's own architecture; only arm64 needs zig.
  once cargo lambda build --release --locked --compiler cargo "${binaries[@]/#/--package=}" --package=relatch-baseline
}

# The JavaScript packages of tests/foreign.
need_foreign_packages() {
  once npm ci --prefix tests/foreign --no-fund --no-audit
}

# A browser; sets chromium to its path.
need_chromium() {
  chromium=${CHROMIUM:-/usr/bin/chromium}
  if [[ -z ${CHROMIUM:-} && ! -x $chromium ]]; then
    echo "Installing the Debian package chromium…"
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends chromium
  fi
}

# ---------------------------------------------------------------- processes

# The processes that run in the background.
pids=()

# start NAME COMMAND…: in the background, with its output in NAME.log.
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 &
  pids+=("$!")
}

# within DURATION COMMAND…: runs the command with a time limit and waits for it. The command is in
# the background and in a process group of its own, because the shell handles a signal only when
# no command is in the foreground.
within() {
  local status=0
  timeout "$@" &
  pids+=("$!")
  wait "$!" || status=$?
  unset 'pids[-1]'
  return "$status"
}

# wait_for NAME CONDITION…: waits until the condition holds, for a minute at most and only while
# the process that was started last runs.
wait_for() {
  local name=$1
  shift
  for _ in {1..300}; do
    if "$@" 2>/dev/null; then return; fi
    kill -0 "${pids[-1]}" 2>/dev/null || break
    sleep 0.2
  done
  echo "$name did not get ready" >&2
  return 1
}

# stop PID…: ends the processes and waits for them.
stop() {
  local pid
  for pid; do kill "$pid" 2>/dev/null || true; done
  for pid; do wait "$pid" 2>/dev/null || true; done
}

stop_all() {
  stop "${pids[@]}"
  pids=()
}

# free_ports COUNT: prints free ports. They are below the range from which the system takes the
# ports of clients, so that they are still free when they are used.
free_ports() {
  python3 - "$1" <<'PYTHON'
import socket, sys

sockets = []
for port in range(20000, 30000):
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", port))
    except OSError:
        continue
    sockets.append(candidate)
    print(port)
    if len(sockets) == int(sys.argv[1]):
        break
PYTHON
}

# connects PORT: succeeds if a process listens on the port.
connects() {
  (: <"/dev/tcp/127.0.0.1/$1")
}

# ---------------------------------------------------------------- Relatch and AWS

readonly email=demo@example.com
readonly password="correct horse battery staple"

# instance FUNCTION PATH [CONCURRENCY]: a release binary with only the environment that Lambda sets.
# The Runtime API is at PATH of $url; $settings are the function's own variables.
instance() {
  exec env -i "${settings[@]}" AWS_LAMBDA_RUNTIME_API="$url/.rt$2" AWS_LAMBDA_FUNCTION_NAME="$1" \
    AWS_LAMBDA_FUNCTION_VERSION=1 AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256 AWS_LAMBDA_MAX_CONCURRENCY="${3:-1}" \
    "$target/lambda/$1/bootstrap"
}

# local_stack NAME ARGUMENT…: starts a local stack and waits until it is ready; sets url.
local_stack() {
  local name=$1
  shift
  [[ " $* " == *" --listen "* ]] || set -- --listen 127.0.0.1:0 "$@"
  start "$name" "$target/debug/relatch" dev --dynamodb 127.0.0.1:0 --set BCRYPT_COST=10 "$@"
  wait_for "$name" grep --quiet '^Relatch is ready' "$work/$name.log"
  url=$(sed --quiet 's/^Relatch is ready at //p' "$work/$name.log")
}

# Starts moto with the template's tables and secrets and the demo user; sets moto to its address
# and aws to the variables with which a command uses it.
start_moto() {
  rm --force "$work/moto.log" # The log of an earlier step already contains the awaited line.
  start moto python tests/foreign/moto_stack.py
  wait_for moto grep --quiet '^ready at' "$work/moto.log"
  moto=$(sed --quiet 's/^ready at //p' "$work/moto.log")
  aws=(AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local "AWS_ENDPOINT_URL=$moto")
  env "${aws[@]}" "$target/debug/relatch" users add "$email" --password-stdin \
    --users-table UsersTable --bcrypt-cost 10 <<<"$password"
}

# secret NAME: prints the ARN of a secret that moto created.
secret() {
  sed --quiet "s/^secret $1 //p" "$work/moto.log"
}

# flows URL: runs the flows against a deployment. Without a URL they would start a stack of their
# own. The time limit does not include the build.
flows() {
  cargo test --workspace --locked --test flows --no-run
  RELATCH_URL=${1:?} RELATCH_EMAIL=$email RELATCH_PASSWORD=$password \
    within 5m cargo test --workspace --locked --test flows
}
