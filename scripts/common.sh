# Sourced by the scripts beside it: where the project is, and steps with their times.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# step NAME COMMAND...: runs the command under a heading, and remembers how long it took. A function that serves as COMMAND
# must hand on failures itself: `set -e` does not hold inside.
step_times=()
step() {
    local name=$1 start=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    step_times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
    return "$status"
}

print_step_times() {
    printf '\n== Times\n'
    printf '%s\n' "${step_times[@]}"
}

# build_preset PRESET [-DNAME=VALUE...] [OPTION...]: configures and builds it; the options, such as --target NAME, are the build's.
build_preset() {
    local preset=$1 definitions=()
    shift
    while [[ "${1:-}" == -D* ]]; do
        definitions+=("$1")
        shift
    done
    mkdir -p build
    cmake --preset "$preset" "${definitions[@]}" >"build/$preset.configure.log" 2>&1 || {
        cat "build/$preset.configure.log"
        return 1
    }
    grep -E '^-- Scandium|[Ww]arning' "build/$preset.configure.log" || true
    cmake --build --preset "$preset" "$@"
}
