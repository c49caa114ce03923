# The steps of .ci/run: a function for each name that `.ci/run --list` prints, and unit_tests. They
# use variables of .ci/run and .ci/lib.sh.
# shellcheck shell=bash disable=SC2154

readonly functions=(signin refresh signout sessions jwks userinfo)
readonly binaries=("${functions[@]}" authorizer rotate-keys)
# The origin of the page in the sample events.
readonly page=https://app.example.com

# ---------------------------------------------------------------- Rust

tests() {
  cargo test --workspace --locked
}

# The tests in the libraries and in their documentation, without the integration tests.
unit_tests() {
  cargo test --workspace --locked --lib
  cargo test --workspace --locked --doc
}

format() {
  cargo fmt --all --check
}

lints() {
  cargo clippy --workspace --all-targets --locked -- -D warnings
}

documentation() {
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

# The example is outside the workspace, as a copy of it in another project would be.
example() {
  local manifest=examples/verify-access-token/Cargo.toml
  cargo fmt --manifest-path "$manifest" --check
  cargo clippy --manifest-path "$manifest" --target-dir "$target/examples" --all-targets --locked -- -D warnings
  cargo test --manifest-path "$manifest" --target-dir "$target/examples" --locked
}

dependencies() {
  local tool
  need_cargo_tool cargo-deny 0.20.2
  "$tool" --locked check bans licenses sources
  # The database of advisories is a repository that not every network reaches.
  if "$tool" --locked fetch db 2>/dev/null; then
    "$tool" --locked check advisories
  else
    echo "SKIPPED: the database of advisories cannot be fetched; no advisory was checked"
  fi
}

# Runs every target of cargo-fuzz for 15 seconds. Each run starts from the seeds alone, so that it
# does not depend on earlier runs. If a target finds something, its input is in fuzz/artifacts.
fuzz() {
  local name tool
  need_cargo_tool cargo-fuzz 0.13.2
  cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml
  cargo fmt --manifest-path fuzz/Cargo.toml --check
  RUSTFLAGS="--cfg fuzzing" cargo clippy --manifest-path fuzz/Cargo.toml --locked -- -D warnings

  # cargo-fuzz uses unstable options; this lets the stable compiler take them (see fuzz/README.md).
  local -x RUSTC_BOOTSTRAP=1
  "$tool" build
  for name in $("$tool" list); do
    mkdir "$work/corpus-$name"
    "$tool" run "$name" "$work/corpus-$name" "fuzz/seeds/$name" -- \
      -max_total_time=15 -timeout=10 -rss_limit_mb=2048 >"$work/fuzz-$name.log" 2>&1
    printf '%-9s %s\n' "$name" "$(grep '^Done ' "$work/fuzz-$name.log")"
    rm "$work/fuzz-$name.log"
  done
}

# ---------------------------------------------------------------- the template

python_tools() {
  need_python_tools
}

template() {
  local folder checkov
  need_python_tools
  cfn-lint template.yaml
  sam validate --lint --template template.yaml
  python tests/template/check_template.py
  python tests/template/check_template.py --self-test

  # checkov needs other versions of packages that the tools above use.
  need_venv checkov tests/template/requirements-checkov.txt
  checkov=("$folder/bin/checkov" --framework cloudformation --skip-download --compact --quiet)
  "${checkov[@]}" --file template.yaml
  # Without the exceptions that the template states, checkov must report the functions. This shows
  # that it does check them.
  grep --invert-match CKV_AWS_117 template.yaml >"$work/template.yaml"
  { "${checkov[@]}" --file "$work/template.yaml" || true; } >"$work/checkov.log" 2>&1
  grep --quiet 'FAILED for resource: AWS::Serverless::Function.SigninFunction' "$work/checkov.log"
}

# ---------------------------------------------------------------- the release binaries

lambda_build() {
  local function
  need_lambda_build
  for function in "${binaries[@]}"; do
    printf '%-11s %9d bytes\n' "$function" "$(stat --format %s "$target/lambda/$function/bootstrap")"
  done
}

# The measurements of docs/performance.md in a short form. They assert only what does not depend on
# the machine: sizes, and the time of the first random number, which is a thousand times too long
# if a build does not read .cargo/config.toml. The tests check round trips and capacity units.
measurements() {
  need_lambda_build
  # With --benches, Cargo chooses the features that the tests were built with and builds nothing
  # twice.
  cargo build --workspace --locked --bin functions --bin local-stack --benches
  within 10m "$target/debug/functions" "$target/lambda" --quick
  within 10m "$target/debug/local-stack" --quick
  cargo bench --workspace --bench ratios --profile dev --locked -- 3
  cargo bench --workspace --bench pure --bench handlers --profile dev --locked -- --test
}

# The release binaries as Lambda runs them: each polls the Runtime API of `cargo lambda watch`,
# whose gateway takes the requests.
lambda_run() {
  local port url settings function invoke=()
  need_lambda_build
  need_relatch
  port=$(free_ports 1)
  url=http://127.0.0.1:$port

  start dev "$target/debug/relatch" dev --listen 127.0.0.1:0 --dynamodb 127.0.0.1:0 \
    --data "$work/data" --set BCRYPT_COST=10 --set "TOKEN_ISSUER=$url" --set "CORS_ALLOWED_ORIGINS=$page"
  wait_for dev grep --quiet '^Relatch is ready' "$work/dev.log"
  mapfile -t settings <"$work/data/functions.env"

  start watch cargo lambda watch --only-lambda-apis --disable-cors --invoke-address 127.0.0.1 --invoke-port "$port"
  wait_for watch connects "$port"
  # Two instances of each function, so that requests race as they do in Lambda. One of the two takes
  # several requests at once.
  for function in "${functions[@]}" authorizer; do start "$function-${#pids[@]}" instance "$function" "/$function"; done
  for function in "${functions[@]}"; do start "$function-${#pids[@]}" instance "$function" "/$function" 4; done
  # Requests without a route go to the default function; jwks responds to them with 404.
  start default instance jwks ""

  flows "$url"
  for function in "${functions[@]}" authorizer; do invoke+=("$function=$url/2015-03-31/functions/$function/invocations"); done
  within 1m python tests/foreign/invoke_events.py "${invoke[@]}"
  # The command that the README shows.
  cargo lambda invoke signin --data-file events/signin.json --invoke-address 127.0.0.1 --invoke-port "$port" |
    grep --quiet '"statusCode":200'
  stop_all
}

# ---------------------------------------------------------------- clients

# Verifiers and clients of other projects accept access tokens of every algorithm.
foreign_verifiers() {
  local algorithm url
  need_python_tools
  need_foreign_packages
  need_relatch
  for algorithm in RS256 ES256 EdDSA; do
    mkdir "$work/$algorithm"
    "$target/debug/relatch" keys generate --file "$work/$algorithm/keys.json" --algorithm "$algorithm"
    local_stack "dev-$algorithm" --data "$work/$algorithm"
    within 1m node tests/foreign/verify.mjs "$url"
    within 1m python tests/foreign/verify.py "$url"
    within 1m node tests/foreign/clients.mjs "$url"
    stop_all
  done
}

# The signing key changes while a verifier has the old key set in its cache. For that the stack
# starts again at the same address, with a key file that also contains a newer key.
key_rollover() {
  local port url older verifier keys=$work/rollover
  need_foreign_packages
  need_relatch
  port=$(free_ports 1)
  mkdir "$keys"
  "$target/debug/relatch" keys generate --file "$keys/keys.json"
  "$target/debug/relatch" keys generate --file "$work/newer.json"
  python3 - "$keys/keys.json" "$work/newer.json" <<'PYTHON'
import json, sys
older, newer = (json.load(open(name)) for name in sys.argv[1:])
for key in older["keys"]:
    key["nbf"] -= 60
json.dump(older, open(sys.argv[1], "w"))
newer["keys"] = older["keys"] + [key for key in newer["keys"] if key["purpose"] == "access"]
json.dump(newer, open(sys.argv[2], "w"))
PYTHON
  local_stack dev-older --data "$keys" --listen "127.0.0.1:$port"
  older=${pids[-1]}
  start rollover timeout 3m node tests/foreign/rollover.mjs "$url" "$work/rolled"
  verifier=${pids[-1]}
  wait_for rollover grep --quiet '^first' "$work/rollover.log"
  stop "$older"
  mv "$work/newer.json" "$keys/keys.json"
  local_stack dev-newer --data "$keys" --listen "127.0.0.1:$port"
  touch "$work/rolled"
  wait "$verifier"
  tail --lines=1 "$work/rollover.log"
  stop_all
}

# The client for web pages: its own tests, then with a local stack that loses replies.
web_client() {
  local url
  need_relatch
  node --test clients/js/test/*.test.js
  local_stack dev-client --in-memory --chaos lost-replies=20% --chaos throttle=5%
  # The origin of the playground, which every local stack allows.
  RELATCH_URL=$url RELATCH_ORIGIN=$url RELATCH_EMAIL=$email RELATCH_PASSWORD=$password \
    within 5m node --test clients/js/test/e2e.test.js
  stop_all
}

# The same client in a browser, with a stack whose retry window is short and one that loses replies.
browser() {
  local url short origin chromium
  need_chromium
  need_relatch
  npm ci --prefix tests/browser --no-fund --no-audit
  origin=127.0.0.1:$(free_ports 1)
  local_stack dev-browser --in-memory --set BCRYPT_COST=4 --set ACCESS_TOKEN_TTL=30 --set REFRESH_RETRY_WINDOW=3 \
    --set "CORS_ALLOWED_ORIGINS=http://$origin,http://${origin/127.0.0.1/localhost}"
  short=$url
  local_stack dev-browser-chaos --in-memory --set BCRYPT_COST=4 --set ACCESS_TOKEN_TTL=5 \
    --set "CORS_ALLOWED_ORIGINS=http://$origin" --chaos lost-replies=20% --chaos throttle=5%
  RELATCH_URL=$short RELATCH_CHAOS_URL=$url RELATCH_ORIGIN=http://$origin RELATCH_RETRY_WINDOW=3 CHROMIUM=$chromium \
    within 8m npm test --prefix tests/browser
  stop_all
}

# schemathesis sends generated requests to the local stack and compares the responses with
# docs/openapi.yaml. The requests have the origin of a page that may use the cookie. Two checks are
# left out: the gateway responds to methods that are not declared, and a generated token never gets
# a 200.
openapi() {
  local url token folder status=0
  need_venv schemathesis tests/foreign/requirements-schemathesis.txt
  need_relatch
  local_stack dev-openapi --in-memory --set BCRYPT_COST=4 --set SIGNIN_FREE_ATTEMPTS=1000000 \
    --set SIGNIN_ATTEMPTS_PER_EMAIL=1000000 --set SIGNIN_ATTEMPTS_PER_ADDRESS=1000000 \
    --set "CORS_ALLOWED_ORIGINS=$page"
  token=$(curl --silent --fail "$url/signin" --header 'content-type: application/json' \
    --data "{\"email\":\"$email\",\"password\":\"$password\"}")
  token=${token#*'"access_token":"'}
  within 5m env --chdir="$work" "$folder/bin/st" run "$PWD/docs/openapi.yaml" --url "$url" --seed 1 --max-examples 200 \
    --phases examples,coverage,fuzzing --continue-on-failure --no-color \
    --header "Origin: $page" --header "Authorization: Bearer ${token%%'"'*}" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance \
    --checks response_headers_conformance,response_schema_conformance,ignored_auth \
    >"$work/openapi.log" 2>&1 || status=$?
  cut --characters=1-200 "$work/openapi.log"
  rm "$work/openapi.log"
  stop_all
  return "$status"
}

# ---------------------------------------------------------------- AWS's services and their emulators

# The functions of the local stack on moto's DynamoDB. They run at the same time, so that their
# writes race for the items.
foreign_database() {
  local moto aws url
  need_python_tools
  need_relatch
  start_moto
  local_stack dev-moto --no-demo --in-memory --set "AWS_ENDPOINT_URL_DYNAMODB=$moto"
  flows "$url"
  stop_all
}

# What the template's pipes make of every kind of write, and then of the writes of the functions.
foreign_events() {
  local moto aws url changed="staple battery horse correct"
  need_python_tools
  need_relatch
  within 1m python tests/foreign/security_events.py
  start_moto
  env "${aws[@]}" "$target/debug/relatch" users set-password "$email" --password-stdin \
    --users-table UsersTable --bcrypt-cost 10 <<<"$changed"
  local_stack dev-events --no-demo --in-memory --set "AWS_ENDPOINT_URL_DYNAMODB=$moto" --set REFRESH_RETRY_WINDOW=0
  RELATCH_EMAIL=$email RELATCH_PASSWORD=$changed \
    within 1m python tests/foreign/security_events.py "$moto" "$url"
  stop_all
}

# The release binaries under AWS's own emulator of the runtime. Their keys are in moto's Secrets
# Manager, where the function that rotates them creates them. Only the gateway is Relatch's own.
foreign_runtime() {
  local moto aws url rie ports settings function address invoke=() number=0
  local -A emulator
  need_lambda_build
  need_foreign_packages
  need_relatch
  start_moto

  # Each function's emulator has one address for the gateway and one for the function.
  mapfile -t ports < <(free_ports $((2 * ${#binaries[@]})))
  for function in "${functions[@]}"; do
    invoke+=("$function=http://127.0.0.1:${ports[number]}/2015-03-31/functions/function/invocations")
    number=$((number + 2))
  done
  local_stack dev-rie --no-demo --data "$work/rie" --set "AWS_ENDPOINT_URL_DYNAMODB=$moto" \
    --set "CORS_ALLOWED_ORIGINS=$page" "${invoke[@]/#/--invoke=}"
  mapfile -t settings < <(grep --invert-match '^KEYS_FILE=' "$work/rie/functions.env")
  settings+=("AWS_ENDPOINT_URL_SECRETS_MANAGER=$moto"
    "ACCESS_KEYS_SECRET_ARN=$(secret AccessKeysSecret)"
    "REFRESH_KEYS_SECRET_ARN=$(secret RefreshKeysSecret)")

  rie=$(python -c 'import pathlib, samcli; print(pathlib.Path(samcli.__file__).parent / "local/rapid")')
  case $(uname -m) in x86_64) rie+=/aws-lambda-rie-x86_64 ;; *) rie+=/aws-lambda-rie-arm64 ;; esac
  number=0
  for function in "${binaries[@]}"; do
    address=127.0.0.1:${ports[number]}
    start "rie-$function" env -i "${settings[@]}" AWS_LAMBDA_FUNCTION_NAME="$function" AWS_LAMBDA_FUNCTION_VERSION=1 \
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256 AWS_LAMBDA_FUNCTION_TIMEOUT=10 "$rie" --log-level error \
      --runtime-interface-emulator-address "$address" --runtime-api-address "127.0.0.1:${ports[number + 1]}" \
      "$(realpath "$target/lambda/$function/bootstrap")"
    emulator[$function]=http://$address/2015-03-31/functions/function/invocations
    wait_for "rie-$function" connects "${ports[number]}"
    number=$((number + 2))
  done

  within 1m python tests/foreign/rotate.py "${emulator[rotate-keys]}" "$moto" \
    "$(secret AccessKeysSecret)" "$(secret RefreshKeysSecret)"
  within 1m python tests/foreign/invoke_events.py "${invoke[@]}" "authorizer=${emulator[authorizer]}"
  flows "$url"
  within 1m node tests/foreign/verify.mjs "$url"
  stop_all
}
